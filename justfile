# Run `just` to list the recipes. They work from every directory of the repository.

# A relative CARGO_TARGET_DIR is relative to this directory.
target := absolute_path(env('CARGO_TARGET_DIR', 'target'))
static := target / 'static'

# `.ci/setup` installs tools here.
export PATH := target / 'tools/bin:' + env('PATH')

[private]
default:
    @{{ just_executable() }} --justfile {{ justfile() }} --list --unsorted

# Installs missing tools and prints their names; `just setup PART` installs one part
[group('start')]
setup *PARTS:
    .ci/setup {{ PARTS }}

# Shows credvend at work against a local STS until Ctrl-C; `--once` exits after the demonstration
[group('start')]
quickstart *ARGS:
    cargo run --example quickstart -- {{ ARGS }}

# Runs the tests; `just test NAME` runs the tests whose names contain NAME
[group('develop')]
test *ARGS:
    cargo test {{ ARGS }}

# Formats the Rust code
[group('develop')]
fmt:
    cargo fmt --all
    cargo fmt --manifest-path tests/fuzz/Cargo.toml
    cargo fmt --manifest-path tests/fleet/Cargo.toml

# Checks the format and runs clippy; warnings are errors
[group('develop')]
lint:
    cargo fmt --all --check
    cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
    cargo fmt --manifest-path tests/fleet/Cargo.toml --check
    cargo clippy --workspace --all-targets -- -D warnings

# Builds the documentation, private items included; warnings are errors
[group('develop')]
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items

# Builds the static release binary and prints its path and size; fails if it exceeds the size limit
[group('build')]
build-static:
    .ci/build-static credvend

# Writes the manual pages into DIR, an existing directory
[group('build')]
man DIR:
    cargo run --example man -- {{ quote(join(invocation_directory(), DIR)) }}

# Tests the local STS
[group('verify')]
test-local-sts *ARGS:
    cargo test -p local-sts {{ ARGS }}

# Runs the integration tests and cases against the static release binary
[group('verify')]
test-static *ARGS: build-static
    CREDVEND_BINARY={{ static }}/credvend cargo test --test it --test cases {{ ARGS }}

# Fuzzes parsers and listeners, 60 s for each target; needs a C++ compiler; `just fuzz TARGET` runs one target
[group('verify')]
fuzz *ARGS:
    tests/fuzz/run {{ ARGS }}

# Tests the static binary with real clients: scenarios, and one client of each SDK family with every output; needs Python
[group('verify')]
clients *ARGS: build-static _local-sts
    tests/real-clients/run {{ ARGS }} {{ static }}/credvend {{ static }}/local-sts
    tests/clients/run --core {{ ARGS }} {{ static }}/credvend {{ static }}/local-sts

# Tests all clients with every output; `--only NAME` runs a client or an output, `--break` spoils answers, `--readme` writes the tables
[group('verify')]
client-matrix *ARGS: build-static _local-sts
    tests/clients/run {{ ARGS }} {{ static }}/credvend {{ static }}/local-sts

# Tests the static binary with the STS and the S3 of SeaweedFS; needs root, Python and Go; the first build takes 10 minutes
[group('verify')]
seaweedfs *ARGS: build-static _local-sts
    .ci/as-root tests/clients/seaweedfs/run {{ ARGS }} {{ static }}/credvend {{ static }}/local-sts

# Compares `credvend explain` with the AWS SDKs; needs root, Python, Node.js, Go and Java; `--sdk SDK` compares one
[group('verify')]
explain-clients *ARGS: build-static
    .ci/as-root tests/clients/explain/run {{ ARGS }} {{ static }}/credvend

# Checks the manifests in k8s/; `--update` rewrites the golden files
[group('verify')]
manifests *ARGS: build-static _local-sts
    tests/manifests/run {{ ARGS }} {{ static }}/credvend {{ static }}/local-sts

# Records the metrics of a run with faults, and draws the queries of k8s/dashboard.json into k8s/dashboard.svg; 8 minutes
[group('verify')]
dashboard-picture *ARGS: build-static _local-sts
    tests/manifests/run --picture {{ ARGS }} {{ static }}/credvend {{ static }}/local-sts

# Tests the admission policy with the API server's code; needs Go; `-update` rewrites the expected pods and k8s/kyverno
[group('verify')]
admission *ARGS:
    tests/admission/run {{ ARGS }}

# Tests the Helm chart; needs Python and Go; the first build takes 5 minutes; `--update` copies the sources and rewrites the golden files
[group('verify')]
chart *ARGS:
    tests/chart/run {{ ARGS }}

# Tests the policies for Kyverno with Kyverno's own program; needs Go; the first build takes many minutes
[group('verify')]
kyverno *ARGS:
    tests/kyverno/run {{ ARGS }}

# Runs the image in pods with podman, for partitions and memory limits; needs root; `--only SCENARIO` runs one scenario
[group('verify')]
pods *ARGS: build-static _local-sts
    .ci/as-root tests/pods/run {{ ARGS }} {{ static }}/credvend {{ static }}/local-sts

# Runs the manifests in a real Kubernetes cluster; needs root and Go; the first build takes 10 minutes; `--keep` leaves the cluster up
[group('verify')]
cluster *ARGS: build-static _local-sts
    .ci/as-root tests/cluster/run {{ ARGS }} {{ static }}/credvend {{ static }}/local-sts

# Attacks the static binary; `--short` runs the short part; some scenarios need root
[group('verify')]
attack *ARGS: build-static _local-sts
    cargo build --bin credvend
    tests/attack/run {{ ARGS }} --dynamic {{ target }}/debug/credvend {{ static }}/credvend {{ static }}/local-sts

# Runs the static binary for an hour under faults and plots its memory; `--minutes N` changes the time
[group('verify')]
soak *ARGS: build-static _local-sts
    tests/attack/run soak --plot tests/attack/soak.svg {{ ARGS }} {{ static }}/credvend {{ static }}/local-sts

# Measures size, memory and speed beside curl, the AWS CLI and nginx; `--short` takes 30 s, `--update` writes README.md and the plots
[group('verify')]
bench *ARGS: build-static _local-sts
    tests/bench/run {{ ARGS }} {{ static }}/credvend {{ static }}/local-sts

# Simulates fleets of pods on virtual time and checks the goals; `--small` a tenth of the fleet, `--update` writes the tables and plots
[group('verify')]
fleet *ARGS:
    tests/fleet/run {{ ARGS }}

# Measures the time of 300 profiles at an STS that takes 20 calls a second; fails if it misses the goal
[group('verify')]
pacing: build-static _local-sts
    python3 -B tests/bench/pacing.py {{ static }}/credvend {{ static }}/local-sts

# Counts instructions, bytes and crates, and compares them with tests/bench/limits.toml; needs valgrind; `--update` writes the limits
[group('verify')]
counts *ARGS: build-static _local-sts
    python3 tests/bench/counts.py {{ ARGS }} {{ static }}/credvend {{ static }}/local-sts

# Checks the dependencies against deny.toml
[group('verify')]
supply-chain *ARGS:
    .ci/supply-chain {{ ARGS }}

# Runs the whole gate, as CI does
[group('release')]
gate:
    .ci/run

# Changes the version in all files to VERSION, for a release commit
[group('release')]
release VERSION:
    .ci/release {{ VERSION }}

_local-sts:
    .ci/build-static local-sts
