//! The whole of credvend on one machine, without an AWS account: `cargo run --example quickstart`.
//!
//! You see a service account token laid out as the kubelet does it, a config file with two profiles, what `credvend run`
//! asks of STS (here: a strict local one, which verifies the token, the signatures and the trust policies), and the
//! credentials as they arrive in a credentials file and on the endpoint. Then come commands to paste into another terminal,
//! and everything stays up until Ctrl-C. With `--once` it shows the same, ends by itself and exits 0.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what an example has to say, it says on the terminal")]
#![allow(clippy::disallowed_methods, reason = "an example, like a test, waits by the machine's own clock")]

use std::{
    collections::HashMap,
    error::Error,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::ExitCode,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use local_sts::{Claims, LocalSts, TokenVolume, World};
use signal_hook::{consts::SIGTERM, low_level::raise};

type Outcome<T> = Result<T, Box<dyn Error>>;
const DEADLINE: Duration = Duration::from_secs(20);
const ROLE_A: &str = "arn:aws:iam::111111111111:role/account-a-role";
const ROLE_B: &str = "arn:aws:iam::222222222222:role/account-b-role";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let once = arguments == ["--once"];
    if !once && !arguments.is_empty() {
        eprintln!("quickstart: --once is the only argument");
        return ExitCode::from(2);
    }
    tell(once).unwrap_or_else(|error| {
        eprintln!("quickstart: {error}");
        ExitCode::FAILURE
    })
}

/// The story, from the token to the sinks.
fn tell(once: bool) -> Outcome<ExitCode> {
    let scratch = tempfile::Builder::new().prefix("credvend-quickstart-").tempdir()?;
    let [config, credentials_file] =
        ["config", "credentials"].map(|name| format!("{}/{name}", scratch.path().display()));
    println!("credvend, from a token to credentials. No AWS account; nothing leaves this machine.");

    heading("1. A cluster and AWS, in small");
    let sts = LocalSts::start(World::two_accounts())?;
    let volume = TokenVolume::create(&scratch.path().join("serviceaccount"))?;
    // A day, as on EKS: longer than anybody watches, so nobody has to play the kubelet and renew it.
    let lifetime = Duration::from_secs(86_400);
    volume.write(&sts.mint(&Claims { lifetime, ..Claims::service_account("shop", "checkout") }))?;
    let token_file = volume.token_file().display().to_string();
    println!("A local STS answers at {}. It checks what AWS checks.", sts.url());
    println!("The token of service account shop/checkout is projected to\n  {token_file}");

    heading("2. Two profiles: the token becomes role A, role A becomes role B");
    let profiles = profiles(&token_file);
    std::fs::write(&config, &profiles)?;
    println!("{config} is an ordinary AWS config file:\n");
    indent(&profiles);

    heading("3. credvend keeps both roles' credentials fresh");
    // Free a moment ago: the port that `--listen 127.0.0.1:0` takes is told in the log alone.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let (a, b) = ("account_a_role", "account_b_role");
    let listen = address.to_string();
    let arguments = ["run", "--config", &config, "--profile", b, "--profile", a];
    let sinks = ["--credentials-file", &credentials_file, "--listen", &listen];
    println!("$ credvend {} \\\n    {}\n", arguments.join(" "), sinks.join(" "));
    // All that it sees of the environment is this map.
    let environment = [("AWS_ENDPOINT_URL_STS", sts.url()), ("AWS_REGION", "us-east-1".into())];
    let run = start([&["credvend"][..], &arguments, &sinks].concat(), environment);
    let written = || std::fs::read_to_string(&credentials_file).unwrap_or_default();
    wait_until(&run, || [a, b].iter().all(|name| written().contains(&format!("[{name}]"))))?;
    wait_until(&run, || get(address, "/readyz").is_ok_and(|(status, _)| status == 200))?;
    println!("\nSTS was asked:");
    for request in sts.requests() {
        let proof = if request.headers.contains_key("authorization") { "the hop before" } else { "the token" };
        let role_arn = request.parameters.get("RoleArn").map_or("", String::as_str);
        println!("  {:<26} {role_arn}  proof: {proof}", request.action.as_deref().unwrap_or("?"));
    }
    println!("The profiles have their first step in common, so two calls served both.");

    heading("4. Sink one: the container credentials endpoint, for SDKs of every language");
    let url = format!("http://{address}/v1/credentials");
    for (path, whose) in [("", "the first profile"), ("/account_a_role", "any, by its name")] {
        let (status, body) = get(address, &format!("/v1/credentials{path}"))?;
        println!("$ curl {url}{path}    # {status}: {whose}");
        let document: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&body)?;
        for (key, value) in document {
            println!("  {key:<16} {}", shown(&key, value.as_str().unwrap_or_default()));
        }
    }

    heading("5. Sink two: the shared credentials file, for CLIs and what reads it anew");
    println!("{credentials_file}\n");
    let hide = |line: &str| match line.split_once(" = ") {
        Some((key, value)) => format!("{key} = {}\n", shown(key, value)),
        None => format!("{line}\n"),
    };
    indent(&written().lines().map(hide).collect::<String>());

    heading("6. Your turn, in another terminal, in credvend's source tree");
    println!("# What is yours would outrank what is shown here.");
    println!("unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_ROLE_ARN");
    println!("export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null");
    println!("export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL_STS={}", sts.url());
    println!("\n# The endpoint, as curl and the AWS CLI see it.\ncurl -s {url}");
    println!("AWS_CONTAINER_CREDENTIALS_FULL_URI={url} aws sts get-caller-identity");
    println!("\n# The file.\nAWS_SHARED_CREDENTIALS_FILE={credentials_file} aws sts get-caller-identity --profile {a}");
    println!("\n# The same chain once, as lines for a shell; and what a probe asks.");
    println!("cargo run -q -- export --config {config} --profile {b}");
    println!("cargo run -q -- health --listen {address} && echo ready");
    println!("\n# A refusal: account B does not know the cluster. The last line says what to do.");
    println!("cargo run -q -- export --web-identity-token-file {token_file} --role-arn {ROLE_B}");
    println!("\n# A refresh now, instead of in half an hour: see the log lines in this terminal.");
    println!("kill -HUP {}", std::process::id());

    println!("\n{}\n", if once { "All of it ends now." } else { "All of it stays up until Ctrl-C." });
    if once {
        // How a kubelet ends it, too.
        raise(SIGTERM)?;
    }
    let code = run.join().map_err(|_| "credvend run panicked")?;
    scratch.close()?;
    println!("The scratch directory is gone, and the credentials with it.");
    Ok(code)
}

/// What the README calls the cross-account example.
fn profiles(token_file: &str) -> String {
    format!(
        "[profile account_b_role]\n\
         source_profile = account_a_role\n\
         role_arn = {ROLE_B}\n\
         \n\
         [profile account_a_role]\n\
         web_identity_token_file = {token_file}\n\
         role_arn = {ROLE_A}\n"
    )
}

/// Runs the command line as `main` would, but on a thread.
fn start<const N: usize>(arguments: Vec<&str>, environment: [(&str, String); N]) -> JoinHandle<ExitCode> {
    let arguments: Vec<_> = arguments.into_iter().map(Into::into).collect();
    let environment = HashMap::from(environment.map(|(name, value)| (name.to_owned(), value)));
    thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return ExitCode::FAILURE;
        };
        credvend::parse(arguments)
            .map_or_else(|code| code, |cli| runtime.block_on(credvend::execute(cli, &environment)))
    })
}

/// Asks until it is so, `run` has ended, or the deadline has passed.
fn wait_until(run: &JoinHandle<ExitCode>, is_so: impl Fn() -> bool) -> Outcome<()> {
    let start = Instant::now();
    while !is_so() {
        if run.is_finished() {
            return Err("credvend run has ended; its last line says why".into());
        }
        if start.elapsed() > DEADLINE {
            return Err(format!("no credentials in both sinks within {} s", DEADLINE.as_secs()).into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// One GET, as plain as can be: the status and the body.
fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"))
}

/// A value as it may be shown: of what is secret, the beginning.
fn shown(key: &str, value: &str) -> String {
    match key {
        "Expiration" | "AccountId" | "RoleArn" => value.to_owned(),
        _ => format!("{}…", value.chars().take(4).collect::<String>()),
    }
}

fn heading(text: &str) {
    println!("\n── {text} ──\n");
}

fn indent(text: &str) {
    text.lines().for_each(|line| println!("{}", format!("  {line}").trim_end()));
}
