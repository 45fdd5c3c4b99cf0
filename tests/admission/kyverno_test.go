package admission

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kubernetes/pkg/apis/admissionregistration"
	"sigs.k8s.io/yaml"
)

// The policies for Kyverno.
const kyvernoPolicies = "../../k8s/kyverno"

// Each policy for Kyverno is the policy for the API server with another head: Kyverno has the same fields and the same CEL, binds its
// policies itself, and takes the actions of a validating policy from its spec. The expressions are identical.
var kyvernoHeads = []struct{ file, from, to string }{
	{"policy.yaml", "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicy\n", "apiVersion: policies.kyverno.io/v1\nkind: MutatingPolicy\n"},
	{"validation.yaml", "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\n", "apiVersion: policies.kyverno.io/v1\nkind: ValidatingPolicy\n"},
	{"advice.yaml", "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\n", "apiVersion: policies.kyverno.io/v1\nkind: ValidatingPolicy\n"},
}

// The validationActions of each validating policy, which the admission policies have in their bindings.
var kyvernoActions = map[string]string{"validation.yaml": "Deny", "advice.yaml": "Warn"}

// `go test -update` generates the policies for Kyverno.
func TestKyvernoPoliciesAreGenerated(t *testing.T) {
	for _, head := range kyvernoHeads {
		generated := kyvernoPolicy(t, head.file, head.from, head.to)
		file := filepath.Join(kyvernoPolicies, head.file)
		if *update {
			if err := os.WriteFile(file, []byte(generated), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if string(readFile(t, file)) != generated {
			t.Errorf("%s is not what %s generates; run tests/admission/run -update", file, filepath.Join(manifests, head.file))
		}
	}
}

func kyvernoPolicy(t *testing.T, file, from, to string) string {
	t.Helper()
	_, body, found := strings.Cut(string(readFile(t, filepath.Join(manifests, file))), from)
	if !found {
		t.Fatalf("%s does not begin with\n%s", file, from)
	}
	if action := kyvernoActions[file]; action != "" {
		with := strings.Replace(body, "\nspec:\n", "\nspec:\n  validationActions: ["+action+"]\n", 1)
		if with == body {
			t.Fatalf("%s has no spec", file)
		}
		body = with
	}
	return "# Generated from ../admission/" + file + " by `tests/admission/run -update`: change that file. README.md is in ../admission.\n" + to + body
}

// Creates the pods of the table with the command line program of Kyverno, which runs the engine of its admission controller. KYVERNO
// names the program; tests/kyverno/run builds it.
func TestPodsWithKyverno(t *testing.T) {
	program := os.Getenv("KYVERNO")
	if program == "" {
		t.Skip("KYVERNO is not set")
	}
	createTwice(t, func(t *testing.T, policies string) kyvernoEngine { return kyvernoProgram{program, policies} })
}

// Creates them as Kyverno does: with expressions without types, and with variables that are evaluated once.
func TestPodsWithoutTypes(t *testing.T) {
	createTwice(t, newUntypedEngine)
}

// kyvernoEngine applies the two policies to pods.
type kyvernoEngine interface {
	// mutate returns the pods as the mutating policy leaves them.
	mutate(*testing.T, []*corev1.Pod) []*corev1.Pod
	// validate returns the message with which the validating policy refuses each pod, or "".
	validate(*testing.T, []*corev1.Pod) []string
}

// createTwice creates the pods of the table. Kyverno changes and checks a pod between the API server's own plug-ins, so the pod
// passes through those afterwards, and through everything a second time, as with a webhook that is invoked again. The engine reads the
// policies and the namespaces (values.yaml) from a folder.
func createTwice(t *testing.T, newEngine func(t *testing.T, policies string) kyvernoEngine) {
	rows, err := filepath.Glob("pods/*/before.yaml")
	if err != nil || len(rows) == 0 {
		t.Fatalf("no rows: %v", err)
	}
	// Rows with the same namespaces and defaults share an engine.
	runs := map[string]*kyvernoRun{}
	for _, before := range rows {
		row := filepath.Dir(before)
		own, defaults := pathIfExists(t, filepath.Join(row, "cluster.yaml")), pathIfExists(t, filepath.Join(row, "defaults.txt"))
		key := own + defaults
		if runs[key] == nil {
			runs[key] = startKyverno(t, own, defaults)
			runs[key].engine = newEngine(t, runs[key].folder)
		}
		runs[key].pods = append(runs[key].pods, readPod(t, before))
		runs[key].rows = append(runs[key].rows, row)
	}
	for _, run := range runs {
		run.passTwice(t)
	}
}

// kyvernoRun is a set of pods in a cluster that differs from others in namespaces or defaults.
type kyvernoRun struct {
	engine kyvernoEngine
	folder string
	plain  *cluster
	rows   []string
	pods   []*corev1.Pod
}

func startKyverno(t *testing.T, own, defaults string) *kyvernoRun {
	t.Helper()
	run := &kyvernoRun{folder: t.TempDir()}
	var withoutPolicies []runtime.Object
	var namespaces []any
	for _, object := range readObjects(t, own) {
		if namespace, ok := object.(*corev1.Namespace); ok {
			namespaces = append(namespaces, namespace)
		}
		if object.GetObjectKind().GroupVersionKind().Group != admissionregistration.GroupName {
			withoutPolicies = append(withoutPolicies, object)
		}
	}
	run.plain = startCluster(t, withoutPolicies...)
	run.write(t, "values.yaml", map[string]any{"apiVersion": "cli.kyverno.io/v1alpha1", "kind": "Values", "namespaces": namespaces})
	for _, file := range []string{"policy.yaml", "validation.yaml"} {
		policy := map[string]any{}
		if err := yaml.Unmarshal(readFile(t, filepath.Join(kyvernoPolicies, file)), &policy); err != nil {
			t.Fatal(err)
		}
		if defaults != "" {
			variables := policy["spec"].(map[string]any)["variables"].([]any)
			variables[0].(map[string]any)["expression"] = string(readFile(t, defaults))
		}
		run.write(t, file, policy)
	}
	return run
}

func (r *kyvernoRun) write(t *testing.T, file string, content any) {
	t.Helper()
	text, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.folder, file), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// passTwice creates the pods, and the stored pods once more. The API server's validation comes before that of webhooks.
func (r *kyvernoRun) passTwice(t *testing.T) {
	t.Helper()
	pods, refusals := r.pods, make([]string, len(r.pods))
	for pass := range 2 {
		mutated := r.engine.mutate(t, pods)
		validations := r.engine.validate(t, mutated)
		pods = make([]*corev1.Pod, len(mutated))
		for i, pod := range mutated {
			stored, err := r.plain.create(context.Background(), pod)
			switch {
			case pass == 0 && err != nil:
				refusals[i] = err.Error()
			case pass == 0 && validations[i] != "":
				refusals[i] = validations[i]
			case err != nil || validations[i] != "":
				if refusals[i] == "" {
					t.Errorf("%s: second pass: %v %s", r.rows[i], err, validations[i])
				}
			}
			pods[i] = stored
			if stored == nil {
				pods[i] = pod
			}
		}
	}
	for i, row := range r.rows {
		t.Run(filepath.Base(row), func(t *testing.T) {
			if file := pathIfExists(t, filepath.Join(row, "refused.txt")); file != "" {
				if want := strings.TrimSpace(string(readFile(t, file))); !strings.Contains(refusals[i], want) {
					t.Errorf("refused with %q; expected %q", refusals[i], want)
				}
				return
			}
			if refusals[i] != "" {
				t.Fatalf("refused: %s", refusals[i])
			}
			got, want := toYAML(t, pods[i]), toYAML(t, readPod(t, filepath.Join(row, "after.yaml")))
			if !bytes.Equal(got, want) {
				t.Errorf("the pod differs from %s/after.yaml:\n%s", row, got)
			}
		})
	}
}

// kyvernoProgram runs `kyverno apply`.
type kyvernoProgram struct{ program, folder string }

func (r kyvernoProgram) mutate(t *testing.T, pods []*corev1.Pod) []*corev1.Pod {
	t.Helper()
	output := r.apply(t, "policy.yaml", pods)
	mutated := map[string]*corev1.Pod{}
	for _, document := range strings.Split(output, "\n---\n") {
		document = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(document), "---"))
		start := strings.Index(document, "apiVersion: v1\nkind: Pod")
		if start < 0 {
			continue
		}
		pod := decode(t, "the output of Kyverno", document[start:]).(*corev1.Pod)
		mutated[pod.Namespace+"/"+pod.Name] = pod
	}
	result := make([]*corev1.Pod, len(pods))
	for i, pod := range pods {
		result[i] = mutated[pod.Namespace+"/"+pod.Name]
		if result[i] == nil {
			// Kyverno prints only what a policy matches.
			result[i] = pod
		}
	}
	return result
}

var kyvernoFailure = regexp.MustCompile(`^policy check-injection\.credvend\.dev -> resource (\S+)/Pod/(\S+) failed:`)

// The program does not run, cannot load a policy, or cannot evaluate an expression.
var kyvernoError = regexp.MustCompile(`(?m)^Error: |^error while applying|^Invalid Policies:|^Policies Skipped:`)

func (r kyvernoProgram) validate(t *testing.T, pods []*corev1.Pod) []string {
	t.Helper()
	output := r.apply(t, "validation.yaml", pods)
	messages := map[string]string{}
	pod := ""
	for line := range strings.Lines(output) {
		if failure := kyvernoFailure.FindStringSubmatch(line); failure != nil {
			pod = failure[1] + "/" + failure[2]
		} else if strings.TrimSpace(line) == "" {
			pod = ""
		} else if pod != "" {
			messages[pod] += line
		}
	}
	result := make([]string, len(pods))
	for i, pod := range pods {
		result[i] = messages[pod.Namespace+"/"+pod.Name]
	}
	return result
}

func (r kyvernoProgram) apply(t *testing.T, policy string, pods []*corev1.Pod) string {
	t.Helper()
	var documents []string
	for _, pod := range pods {
		documents = append(documents, string(toYAML(t, pod)))
	}
	resources := filepath.Join(r.folder, "pods.yaml")
	if err := os.WriteFile(resources, []byte(strings.Join(documents, "---\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), r.program, "apply", filepath.Join(r.folder, policy), "--resource", resources,
		"--values-file", filepath.Join(r.folder, "values.yaml"), "--remove-color")
	// The exit code is 1 if a policy refuses a pod.
	output, err := command.CombinedOutput()
	if kyvernoError.Match(output) || !bytes.Contains(output, []byte("pass: ")) {
		t.Fatalf("%v: %v\n%s", command.Args, err, output)
	}
	return string(output)
}
