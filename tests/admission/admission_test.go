// Runs the policies of k8s/admission against a table of pods with the code of the Kubernetes API server.
//
// A row is a folder in pods/. before.yaml is the pod that a client creates. after.yaml is the pod that the API server stores
// (`go test -update` writes it), or refused.txt is part of the message with which it refuses the pod. The documents of an
// optional cluster.yaml replace objects of the cluster, and an optional defaults.txt replaces the defaults in the policies.
package admission

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/admissionregistration"
	"k8s.io/kubernetes/pkg/apis/admissionregistration/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the after.yaml of each row")

func TestPods(t *testing.T) {
	rows, err := filepath.Glob("pods/*/before.yaml")
	if err != nil || len(rows) == 0 {
		t.Fatalf("no rows: %v", err)
	}
	shared := startCluster(t, readObjects(t, "")...)
	for _, before := range rows {
		row := filepath.Dir(before)
		t.Run(filepath.Base(row), func(t *testing.T) {
			t.Parallel()
			cluster := shared
			own, defaults := pathIfExists(t, filepath.Join(row, "cluster.yaml")), pathIfExists(t, filepath.Join(row, "defaults.txt"))
			if own != "" || defaults != "" {
				objects := readObjects(t, own)
				if defaults != "" {
					setDefaults(t, objects, string(readFile(t, defaults)))
				}
				cluster = startCluster(t, objects...)
			}
			pod := readPod(t, before)
			stored, err := cluster.create(t.Context(), pod)
			if refused := pathIfExists(t, filepath.Join(row, "refused.txt")); refused != "" {
				expectRefusal(t, err, strings.TrimSpace(string(readFile(t, refused))))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			expectGolden(t, filepath.Join(row, "after.yaml"), stored)
			expectIdempotence(t, cluster, stored)
			expectOwnFieldsUnchanged(t, pod, stored)
			expectProfileKept(t, pod, stored)
			if before, after := qos.ComputePodQOS(pod), qos.ComputePodQOS(stored); before == corev1.PodQOSGuaranteed && after != before {
				t.Errorf("injection changed the QoS class from %s to %s", before, after)
			}
		})
	}
}

func expectRefusal(t *testing.T, err error, message string) {
	t.Helper()
	if err == nil {
		t.Fatalf("the pod was accepted; expected a refusal with: %s", message)
	}
	if !strings.Contains(err.Error(), message) {
		t.Fatalf("the pod was refused with\n%s\nexpected\n%s", err, message)
	}
}

func expectGolden(t *testing.T, file string, stored *corev1.Pod) {
	t.Helper()
	got := toYAML(t, stored)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := toYAML(t, readPod(t, file))
	if !bytes.Equal(got, want) {
		t.Errorf("the stored pod differs from %s:\n%s", file, got)
	}
}

// expectIdempotence checks that a second pass changes no byte of the pod.
func expectIdempotence(t *testing.T, cluster *cluster, stored *corev1.Pod) {
	t.Helper()
	again, err := cluster.create(t.Context(), stored)
	if err != nil {
		t.Fatalf("second pass: %v", err)
	}
	if got, want := toYAML(t, again), toYAML(t, stored); !bytes.Equal(got, want) {
		t.Errorf("a second pass changed the pod to:\n%s", got)
	}
}

// expectOwnFieldsUnchanged checks, independently of the golden files, that the fields of the original pod keep their values and
// order: injected variables and volumes come after the pod's own, and the injected container comes before them.
func expectOwnFieldsUnchanged(t *testing.T, before, after *corev1.Pod) {
	t.Helper()
	expectUnchanged := func(kind string, before, after []corev1.Container) {
		for i, owned := range before {
			injected := after[i].DeepCopy()
			if len(injected.Env) < len(owned.Env) || !equality.Semantic.DeepEqual(owned.Env, injected.Env[:len(owned.Env)]) {
				t.Errorf("%s %s: its own variables changed", kind, owned.Name)
			}
			injected.Env = owned.Env
			if mounts := len(owned.VolumeMounts); len(injected.VolumeMounts) <= mounts+1 && equality.Semantic.DeepEqual(owned.VolumeMounts, injected.VolumeMounts[:mounts]) {
				injected.VolumeMounts = owned.VolumeMounts
			}
			if !equality.Semantic.DeepEqual(&owned, injected) {
				t.Errorf("%s %s: fields other than env and the end of volumeMounts changed", kind, owned.Name)
			}
		}
	}
	expectUnchanged("container", before.Spec.Containers, after.Spec.Containers)
	added := len(after.Spec.InitContainers) - len(before.Spec.InitContainers)
	if added < 0 || added > 1 {
		t.Fatalf("%d init containers were added; expected 0 or 1", added)
	}
	expectUnchanged("init container", before.Spec.InitContainers, after.Spec.InitContainers[added:])
	if volumes := len(before.Spec.Volumes); !equality.Semantic.DeepEqual(before.Spec.Volumes, after.Spec.Volumes[:volumes]) {
		t.Error("the pod's own volumes changed")
	}
	for name, value := range before.Annotations {
		if !strings.HasPrefix(after.Annotations[name], value) {
			t.Errorf("annotation %s changed from %q to %q", name, value, after.Annotations[name])
		}
	}
}

// expectProfileKept checks that injection does not break the Pod Security profile that the pod satisfies.
func expectProfileKept(t *testing.T, before, after *corev1.Pod) {
	t.Helper()
	latest := api.LatestVersion()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), &latest)
	if err != nil {
		t.Fatal(err)
	}
	for _, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
		at := api.LevelVersion{Level: level, Version: latest}
		if !policy.AggregateCheckResults(evaluator.EvaluatePod(at, &before.ObjectMeta, &before.Spec)).Allowed {
			t.Logf("the pod did not satisfy %s before injection", level)
			continue
		}
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(at, &after.ObjectMeta, &after.Spec))
		if !result.Allowed {
			t.Errorf("the pod no longer satisfies %s: %s", level, result.ForbiddenDetail())
		}
	}
}

// The API server limits the cost of CEL expressions at run time. Thirty containers with a hundred variables each and long
// names and values stay within that budget.
func TestLargePodStaysWithinExpressionBudget(t *testing.T) {
	cluster := startCluster(t, readObjects(t, "")...)
	pod := readPod(t, "pods/plain/before.yaml")
	pod.Annotations["credvend.dev/region"] = "eu-central-1"
	container := pod.Spec.Containers[0]
	container.Env = nil
	for i := range 100 {
		container.Env = append(container.Env, corev1.EnvVar{
			Name: fmt.Sprintf("VARIABLE_%03d", i), Value: strings.Repeat("value ", 50),
		})
	}
	pod.Spec.Containers = nil
	pod.Annotations["credvend.dev/credentials-file"] = "true"
	for i := range 15 {
		container.Name = fmt.Sprintf("container-%02d-%s", i, strings.Repeat("x", 50))
		pod.Spec.Containers = append(pod.Spec.Containers, *container.DeepCopy())
		container.Name = fmt.Sprintf("init-%02d-%s", i, strings.Repeat("x", 55))
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, *container.DeepCopy())
	}
	stored, err := cluster.create(t.Context(), pod)
	if err != nil {
		t.Fatal(err)
	}
	for _, container := range slices.Concat(stored.Spec.Containers, stored.Spec.InitContainers[1:]) {
		if size := len(container.Env); size != 105 {
			t.Fatalf("container %s has %d variables; expected 105", container.Name, size)
		}
	}
	expectIdempotence(t, cluster, stored)
	expectOwnFieldsUnchanged(t, pod, stored)
}

// The ServiceAccount plug-in runs before the policy and again after it, and mounts the API server's token into each container that
// has no mount at its path. The sidecar must not get it; the application does.
func TestSidecarGetsNoTokenOfTheAPIServer(t *testing.T) {
	objects := readObjects(t, "")
	for _, object := range objects {
		if account, ok := object.(*corev1.ServiceAccount); ok {
			account.AutomountServiceAccountToken = nil
		}
	}
	stored, err := startCluster(t, objects...).create(t.Context(), readPod(t, "pods/container-added-by-webhook/before.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	mountsToken := func(container corev1.Container) bool {
		return slices.ContainsFunc(container.VolumeMounts, func(mount corev1.VolumeMount) bool {
			return strings.HasPrefix(mount.Name, "kube-api-access-")
		})
	}
	for _, container := range stored.Spec.Containers {
		if !mountsToken(container) {
			t.Errorf("container %s lacks the token: the test does not show what the plug-in does", container.Name)
		}
	}
	if sidecar := stored.Spec.InitContainers[0]; sidecar.Name != "credvend" || mountsToken(sidecar) {
		t.Errorf("the first init container %s mounts the token of the API server", sidecar.Name)
	}
}

// `kubectl debug` adds an ephemeral container by an update of a subresource, which the policies leave alone.
func TestEphemeralContainersStayUnchanged(t *testing.T) {
	cluster := startCluster(t, readObjects(t, "")...)
	before := readPod(t, "pods/plain/after.yaml")
	after := before.DeepCopy()
	after.Spec.EphemeralContainers = []corev1.EphemeralContainer{{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debugger", Image: "registry.example/debugger:1.0.0"},
	}}
	old, updated := new(core.Pod), new(core.Pod)
	convert(t, before, old)
	convert(t, after, updated)
	wanted := updated.DeepCopy()
	attributes := admission.NewAttributesRecord(updated, old, corev1.SchemeGroupVersion.WithKind("Pod"), before.Namespace, before.Name,
		corev1.SchemeGroupVersion.WithResource("pods"), "ephemeralcontainers", admission.Update, &metav1.UpdateOptions{}, false,
		&user.DefaultInfo{Name: "developer"})
	if err := cluster.chain.(admission.MutationInterface).Admit(t.Context(), attributes, cluster.objects); err != nil {
		t.Fatal(err)
	}
	if err := cluster.chain.(admission.ValidationInterface).Validate(t.Context(), attributes, cluster.objects); err != nil {
		t.Fatal(err)
	}
	if !equality.Semantic.DeepEqual(wanted, updated) {
		t.Error("the pod changed")
	}
}

// Runs the validation with which the API server accepts policies and bindings.
func TestPoliciesAndBindingsAreValid(t *testing.T) {
	checked := 0
	for _, object := range readObjects(t, "") {
		var wrong field.ErrorList
		switch object.(type) {
		case *v1.MutatingAdmissionPolicy:
			internal := new(admissionregistration.MutatingAdmissionPolicy)
			convert(t, object, internal)
			wrong = validation.ValidateMutatingAdmissionPolicy(internal)
		case *v1.MutatingAdmissionPolicyBinding:
			internal := new(admissionregistration.MutatingAdmissionPolicyBinding)
			convert(t, object, internal)
			wrong = validation.ValidateMutatingAdmissionPolicyBinding(internal)
		case *v1.ValidatingAdmissionPolicy:
			internal := new(admissionregistration.ValidatingAdmissionPolicy)
			convert(t, object, internal)
			wrong = validation.ValidateValidatingAdmissionPolicy(internal)
		case *v1.ValidatingAdmissionPolicyBinding:
			internal := new(admissionregistration.ValidatingAdmissionPolicyBinding)
			convert(t, object, internal)
			wrong = validation.ValidateValidatingAdmissionPolicyBinding(internal)
		default:
			continue
		}
		checked++
		if len(wrong) > 0 {
			t.Error(wrong.ToAggregate())
		}
	}
	if checked != 6 {
		t.Errorf("validated %d policies and bindings; expected 6", checked)
	}
}

// setDefaults does what the overlay of the README does: it replaces the first variable of both policies.
func setDefaults(t *testing.T, objects []runtime.Object, defaults string) {
	t.Helper()
	set := 0
	for _, object := range objects {
		switch policy := object.(type) {
		case *v1.MutatingAdmissionPolicy:
			policy.Spec.Variables[0] = v1.Variable{Name: "defaults", Expression: defaults}
			set++
		case *v1.ValidatingAdmissionPolicy:
			if policy.Spec.Variables[0].Name == "defaults" {
				policy.Spec.Variables[0].Expression = defaults
				set++
			}
		}
	}
	if set != 2 {
		t.Fatalf("set the defaults of %d policies; expected 2", set)
	}
}

// The policy that checks the settings reads them as the policy that applies them does. The defaults come first, because overlays
// replace the first variable.
func TestPoliciesReadTheSameSettings(t *testing.T) {
	variables := map[string]map[string]string{}
	for _, object := range readObjects(t, "") {
		found := map[string]string{}
		switch policy := object.(type) {
		case *v1.MutatingAdmissionPolicy:
			if policy.Spec.Variables[0].Name != "defaults" || policy.Spec.ParamKind != nil {
				t.Errorf("%s: the first variable is not defaults, or the policy has a paramKind", policy.Name)
			}
			for _, variable := range policy.Spec.Variables {
				found[variable.Name] = variable.Expression
			}
			variables[policy.Name] = found
		case *v1.ValidatingAdmissionPolicy:
			if policy.Spec.ParamKind != nil {
				t.Errorf("%s: the policy has a paramKind", policy.Name)
			}
			for _, variable := range policy.Spec.Variables {
				found[variable.Name] = variable.Expression
			}
			variables[policy.Name] = found
		}
	}
	inject, check := variables["inject.credvend.dev"], variables["check-injection.credvend.dev"]
	for _, name := range []string{"defaults", "annotations", "namespaceAnnotations", "settings", "containers"} {
		if inject[name] == "" || inject[name] != check[name] {
			t.Errorf("variable %s is\n%s\nin one policy and\n%s\nin the other", name, inject[name], check[name])
		}
	}
}

func convert(t *testing.T, from, to runtime.Object) {
	t.Helper()
	if err := legacyscheme.Scheme.Convert(from, to, nil); err != nil {
		t.Fatal(err)
	}
}

func toYAML(t *testing.T, pod *corev1.Pod) []byte {
	t.Helper()
	text, err := yaml.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
