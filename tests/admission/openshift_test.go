package admission

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// The imitation of OpenShift's constraint restricted-v2, which tests/cluster uses too, and what it assigns to a namespace.
const (
	constraint   = "../cluster/scc.yaml"
	assignedUser = 1000740000
	assignedGID  = 1000750000
)

// The constraint assigns user and group to the pods of the story for OpenShift and to injected pods, and refuses those of other stories.
func TestPodsUnderTheConstraintOfOpenShift(t *testing.T) {
	account := func(name string) runtime.Object {
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "openshift"}}
	}
	objects := append(readObjects(t, ""), constrainedNamespace(), account("checkout"), account("default"))
	for _, document := range documents(t, constraint) {
		objects = append(objects, decode(t, constraint, document))
	}
	cluster := startCluster(t, objects...)
	injected := readPod(t, "pods/plain/before.yaml")
	injected.Namespace, injected.Spec.SecurityContext = "openshift", nil
	for name, pod := range map[string]*corev1.Pod{"story": storyPod(t, "openshift"), "injected": injected} {
		stored, err := cluster.create(t.Context(), pod)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if group := stored.Spec.SecurityContext.FSGroup; group == nil || *group != assignedGID {
			t.Errorf("%s: fsGroup %v", name, group)
		}
		containers := append(stored.Spec.InitContainers, stored.Spec.Containers...)
		if containers[0].Name != "credvend" {
			t.Errorf("%s: the first container is %s", name, containers[0].Name)
		}
		for _, container := range containers {
			if user := container.SecurityContext.RunAsUser; user == nil || *user != assignedUser {
				t.Errorf("%s: %s has user %v", name, container.Name, user)
			}
		}
	}
	_, err := cluster.create(t.Context(), storyPod(t, "sidecar"))
	expectRefusal(t, err, "65532 is not an allowed group")
}

// What OpenShift adds to a namespace, and the label for the imitation.
func constrainedNamespace() runtime.Object {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   "openshift",
		Labels: map[string]string{corev1.LabelMetadataName: "openshift", "cluster.test/scc": "restricted-v2"},
		Annotations: map[string]string{
			"openshift.io/sa.scc.uid-range": "1000740000/10000", "openshift.io/sa.scc.supplemental-groups": "1000750000/10000",
		},
	}}
}

// storyPod returns a pod of a story's Deployment.
func storyPod(t *testing.T, name string) *corev1.Pod {
	t.Helper()
	for _, document := range documents(t, "../manifests/golden/"+name+".yaml") {
		if strings.Contains(document, "kind: Deployment") {
			template := decode(t, name, document).(*appsv1.Deployment).Spec.Template
			template.Name, template.Namespace = name, "openshift"
			return &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
		}
	}
	t.Fatalf("%s has no Deployment", name)
	return nil
}

func documents(t *testing.T, file string) []string {
	t.Helper()
	return strings.Split(string(readFile(t, file)), "\n---\n")
}
