package admission

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// The Markdown code blocks and table rows of k8s/admission/README.md.
var (
	diffBlock     = regexp.MustCompile("(?s)```diff\n(.*?)```")
	annotationRow = regexp.MustCompile("(?m)^\\| `credvend\\.dev/([a-z-]+)` \\| (pod|all) \\| (.*?) \\|")
	messageRow    = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|[^|]+\\|[^|]+\\|$")
)

// The diff in the README shows a pod before and after injection. Creating the first must result in the second.
func TestReadmeDiffShowsTheInjectedPod(t *testing.T) {
	var before, after strings.Builder
	for line := range strings.Lines(firstMatch(t, diffBlock, readme(t))) {
		if line[0] != '+' {
			before.WriteString(line[1:])
		}
		if line[0] != '-' {
			after.WriteString(line[1:])
		}
	}
	pod := new(corev1.Pod)
	if err := yaml.UnmarshalStrict([]byte(before.String()), pod); err != nil {
		t.Fatal(err)
	}
	// The README omits fields that injection does not depend on.
	pod.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	pod.Name, pod.Namespace = "readme", "shop"
	pod.Spec.Containers[0].Image = "registry.example/application:1.0.0"
	pod = decode(t, "k8s/admission/README.md", string(toYAML(t, pod))).(*corev1.Pod)

	stored, err := startCluster(t, readObjects(t, "")...).create(t.Context(), pod)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := yaml.Unmarshal([]byte(after.String()), &want); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(toYAML(t, stored), &got); err != nil {
		t.Fatal(err)
	}
	for _, difference := range differences("", want, got) {
		t.Error(difference)
	}
}

// differences lists the values in `want` that `got` lacks. Lists must have the same length; "…" matches every value.
func differences(path string, want, got any) []string {
	switch want := want.(type) {
	case map[string]any:
		fields, ok := got.(map[string]any)
		if !ok {
			break
		}
		var found []string
		for _, name := range slices.Sorted(maps.Keys(want)) {
			found = append(found, differences(path+"."+name, want[name], fields[name])...)
		}
		return found
	case []any:
		items, ok := got.([]any)
		if !ok || len(items) != len(want) {
			break
		}
		var found []string
		for i := range want {
			found = append(found, differences(fmt.Sprintf("%s[%d]", path, i), want[i], items[i])...)
		}
		return found
	default:
		if want == "…" || fmt.Sprint(want) == fmt.Sprint(got) {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s: the README has %v, the stored pod has %v", path, want, got)}
}

// The table of annotations lists the names and defaults that the policies use, and says which of them a namespace can set.
func TestReadmeListsEveryAnnotation(t *testing.T) {
	variables := map[string]string{}
	for _, object := range readObjects(t, "") {
		switch policy := object.(type) {
		case *v1.MutatingAdmissionPolicy:
			for _, variable := range policy.Spec.Variables {
				variables["inject/"+variable.Name] = variable.Expression
			}
		case *v1.ValidatingAdmissionPolicy:
			for _, variable := range policy.Spec.Variables {
				if policy.Name == "advise-injection.credvend.dev" {
					variables["advise/"+variable.Name] = variable.Expression
				}
			}
		}
	}
	defaults := map[string]string{}
	for _, pair := range regexp.MustCompile(`"([a-z-]+)": "([^"]*)"`).FindAllStringSubmatch(variables["inject/settings"], -1) {
		defaults[pair[1]] = pair[2]
	}
	listed := map[string][]string{}
	for _, row := range annotationRow.FindAllStringSubmatch(readme(t), -1) {
		name, setBy, value := row[1], row[2], strings.Trim(row[3], "`")
		listed[setBy] = append(listed[setBy], name)
		if defaults[name] != "" && defaults[name] != value {
			t.Errorf("annotation %s has the default %q in the README and %q in the policy", name, value, defaults[name])
		}
	}
	expectSameNames(t, "annotations of pods and namespaces", listed["all"], slices.Collect(maps.Keys(defaults)))
	expectSameNames(t, "annotations of pods and namespaces", listed["all"], namesIn(variables["advise/settings"]))
	expectSameNames(t, "annotations of pods", listed["pod"], namesIn(variables["advise/ofPods"]))
	// Every annotation of a pod is read by the policy.
	for _, name := range listed["pod"] {
		if policies := string(readFile(t, filepath.Join(manifests, "policy.yaml"))); !strings.Contains(policies, `"credvend.dev/`+name+`"`) {
			t.Errorf("the policy does not read the annotation %s", name)
		}
	}
}

// namesIn returns the strings of a CEL list.
func namesIn(expression string) []string {
	var names []string
	for _, match := range regexp.MustCompile(`"([a-z-]+)"`).FindAllStringSubmatch(expression, -1) {
		names = append(names, match[1])
	}
	return names
}

// Every annotation has a row in pods/ whose value the API server refuses, with a message that names the annotation. The value of
// port 9911 may be a default, so its message begins with the port.
func TestEveryAnnotationHasARefusedRow(t *testing.T) {
	files, err := filepath.Glob("pods/refused-*/refused.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	var messages strings.Builder
	for _, file := range files {
		messages.Write(readFile(t, file))
	}
	for _, row := range annotationRow.FindAllStringSubmatch(readme(t), -1) {
		if !strings.Contains(messages.String(), "annotation credvend.dev/"+row[1]+": ") {
			t.Errorf("no row refuses a value of the annotation %s", row[1])
		}
	}
}

// Every message that the README quotes is in a refusal or warning of the table tests, and every one of those has a row.
func TestReadmeQuotesEveryMessage(t *testing.T) {
	_, troubleshooting, _ := strings.Cut(readme(t), "\n## Troubleshooting\n")
	var quotes []string
	for _, row := range messageRow.FindAllStringSubmatch(troubleshooting, -1) {
		quotes = append(quotes, row[1])
	}
	if len(quotes) == 0 {
		t.Fatal("k8s/admission/README.md quotes no messages")
	}
	quoted := map[string]bool{}
	for _, pattern := range []string{"pods/*/refused.txt", "advice/*/warning.txt"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files match %s: %v", pattern, err)
		}
		for _, file := range files {
			message, found := string(readFile(t, file)), false
			for _, quote := range quotes {
				if strings.Contains(message, quote) {
					quoted[quote], found = true, true
				}
			}
			if !found {
				t.Errorf("the README does not explain the message in %s: %s", file, message)
			}
		}
	}
	for _, quote := range quotes {
		if !quoted[quote] {
			t.Errorf("no row of the table tests has the message that the README quotes: %s", quote)
		}
	}
}

func expectSameNames(t *testing.T, kind string, readme, policies []string) {
	t.Helper()
	slices.Sort(readme)
	slices.Sort(policies)
	if !slices.Equal(readme, policies) {
		t.Errorf("the README lists the %s\n%v\nand the policies know\n%v", kind, readme, policies)
	}
}

func readme(t *testing.T) string {
	t.Helper()
	return string(readFile(t, filepath.Join(manifests, "README.md")))
}

func firstMatch(t *testing.T, pattern *regexp.Regexp, text string) string {
	t.Helper()
	match := pattern.FindStringSubmatch(text)
	if match == nil {
		t.Fatalf("k8s/admission/README.md has no match for %s", pattern)
	}
	return match[1]
}
