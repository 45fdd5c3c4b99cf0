package admission

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/util/compatibility"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/discovery"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/openapi"
	"k8s.io/client-go/openapi/openapitest"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/plugin/pkg/admission/limitranger"
	"k8s.io/kubernetes/plugin/pkg/admission/serviceaccount"
	"sigs.k8s.io/yaml"

	_ "k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
)

// The shipped manifests.
const manifests = "../../k8s/admission"

// Rejects fields that the API does not know, like `kubectl apply`.
var strict = serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

// cluster runs the steps of the API server between authentication and storage: its admission plugins, which read policies,
// bindings and namespaces through informers, and its validation. Only the storage is a fake.
type cluster struct {
	chain   admission.Interface
	objects admission.ObjectInterfaces
}

// startCluster stores the given objects and waits until the plugins have read them.
func startCluster(t *testing.T, stored ...runtime.Object) *cluster {
	t.Helper()
	client := fakeClient{fake.NewClientset(stored...)}
	factory := informers.NewSharedInformerFactory(client, 0)
	mapper := meta.NewDefaultRESTMapper(nil)

	plugins := admission.NewPlugins()
	limitranger.Register(plugins)
	serviceaccount.Register(plugins)
	mutating.Register(plugins)
	validating.Register(plugins)
	plugins.Register("Webhook", func(io.Reader) (admission.Interface, error) {
		return webhook{admission.NewHandler(admission.Create)}, nil
	})
	chain, err := plugins.NewFromPlugins(
		[]string{limitranger.PluginName, serviceaccount.PluginName, mutating.PluginName, "Webhook", validating.PluginName},
		noConfiguration{},
		initializer.New(client, dynamicfake.NewSimpleDynamicClient(legacyscheme.Scheme), factory, authorizerfactory.NewAlwaysDenyAuthorizer(),
			utilfeature.DefaultFeatureGate, compatibility.DefaultBuildEffectiveVersion(), t.Context().Done(), mapper),
		nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	factory.Start(t.Context().Done())
	factory.WaitForCacheSync(t.Context().Done())

	started := &cluster{chain, admission.NewObjectInterfacesFromScheme(legacyscheme.Scheme)}
	deadline := time.Now().Add(time.Minute)
	for {
		// The plugins also load the schema in the background. Until then they answer 503 or "not yet synced".
		_, err := started.create(t.Context(), readPod(t, "pods/plain/before.yaml"))
		if !apierrors.IsServiceUnavailable(err) && (err == nil || !strings.Contains(err.Error(), "not yet synced")) {
			return started
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// create returns the pod as the API server would store it, or the error with which it refuses the pod.
func (c *cluster) create(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	created := new(core.Pod)
	if err := legacyscheme.Scheme.Convert(pod.DeepCopy(), created, nil); err != nil {
		return nil, err
	}
	attributes := admission.NewAttributesRecord(created, nil, corev1.SchemeGroupVersion.WithKind("Pod"), pod.Namespace, pod.Name,
		corev1.SchemeGroupVersion.WithResource("pods"), "", admission.Create, &metav1.CreateOptions{}, false,
		&user.DefaultInfo{Name: "system:serviceaccount:kube-system:replicaset-controller"})
	if err := c.chain.(admission.MutationInterface).Admit(ctx, attributes, c.objects); err != nil {
		return nil, err
	}
	options := podutil.GetValidationOptionsFromPodSpecAndMeta(&created.Spec, nil, &created.ObjectMeta, nil)
	options.ResourceIsPod = true
	if wrong := corevalidation.ValidatePodCreate(created, options); len(wrong) > 0 {
		return nil, apierrors.NewInvalid(core.Kind("Pod"), pod.Name, wrong)
	}
	if err := c.chain.(admission.ValidationInterface).Validate(ctx, attributes, c.objects); err != nil {
		return nil, err
	}
	stored := new(corev1.Pod)
	if err := legacyscheme.Scheme.Convert(created, stored, nil); err != nil {
		return nil, err
	}
	stored.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	return stored, nil
}

// validate runs the validating policies on the creation of an object of any kind.
func (c *cluster) validate(ctx context.Context, t *testing.T, object runtime.Object) {
	t.Helper()
	internal, err := legacyscheme.Scheme.UnsafeConvertToVersion(object.DeepCopyObject(), runtime.InternalGroupVersioner)
	if err != nil {
		t.Fatal(err)
	}
	accessor, err := meta.Accessor(object)
	if err != nil {
		t.Fatal(err)
	}
	kind := object.GetObjectKind().GroupVersionKind()
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	attributes := admission.NewAttributesRecord(internal, nil, kind, accessor.GetNamespace(), accessor.GetName(), resource, "",
		admission.Create, &metav1.CreateOptions{}, false, &user.DefaultInfo{Name: "developer"})
	if err := c.chain.(admission.ValidationInterface).Validate(ctx, attributes, c.objects); err != nil {
		t.Fatal(err)
	}
}

// webhook stands in for a service mesh: it runs after the policies and adds the container that an annotation of the pod names.
type webhook struct{ *admission.Handler }

func (webhook) Admit(_ context.Context, attributes admission.Attributes, _ admission.ObjectInterfaces) error {
	pod := attributes.GetObject().(*core.Pod)
	name := pod.Annotations["mesh.example/container"]
	for _, container := range pod.Spec.Containers {
		if container.Name == name {
			return nil
		}
	}
	if name != "" {
		added := *pod.Spec.Containers[0].DeepCopy()
		added.Name, added.Env, added.VolumeMounts, added.Ports = name, nil, nil, nil
		pod.Spec.Containers = append(pod.Spec.Containers, added)
		attributes.GetReinvocationContext().SetShouldReinvoke()
	}
	return nil
}

// fakeClient adds the published OpenAPI schema, which the fake discovery lacks.
type fakeClient struct{ *fake.Clientset }

type fakeDiscovery struct{ discovery.DiscoveryInterface }

func (c fakeClient) Discovery() discovery.DiscoveryInterface {
	return fakeDiscovery{c.Clientset.Discovery()}
}

func (fakeDiscovery) OpenAPIV3() openapi.Client { return openapitest.NewEmbeddedFileClient() }

type noConfiguration struct{}

func (noConfiguration) ConfigFor(string) (io.Reader, error) { return nil, nil }

// readObjects reads the shipped manifests and the namespaces and service accounts of the pods. Documents in the file `own`, if
// one is given, replace the documents of the same kind and name.
func readObjects(t *testing.T, own string) []runtime.Object {
	t.Helper()
	var listed struct{ Resources []string }
	if err := yaml.Unmarshal(readFile(t, filepath.Join(manifests, "kustomization.yaml")), &listed); err != nil {
		t.Fatal(err)
	}
	byName := map[string]runtime.Object{}
	for _, file := range append(prefixed(manifests, listed.Resources), "cluster.yaml", own) {
		if file == "" {
			continue
		}
		for _, document := range strings.Split(string(readFile(t, file)), "\n---\n") {
			object := decode(t, file, document)
			accessor, err := meta.Accessor(object)
			if err != nil {
				t.Fatal(err)
			}
			if namespace, ok := object.(*corev1.Namespace); ok {
				metav1.SetMetaDataLabel(&namespace.ObjectMeta, corev1.LabelMetadataName, namespace.Name)
			}
			byName[fmt.Sprintf("%T %s/%s", object, accessor.GetNamespace(), accessor.GetName())] = object
		}
	}
	var objects []runtime.Object
	for _, object := range byName {
		objects = append(objects, object)
	}
	return objects
}

// decode parses one document strictly and applies the API's defaults.
func decode(t *testing.T, file, document string) runtime.Object {
	t.Helper()
	object, _, err := strict.Decode([]byte(document), nil, nil)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	legacyscheme.Scheme.Default(object)
	return object
}

func readPod(t *testing.T, file string) *corev1.Pod {
	t.Helper()
	pod, ok := decode(t, file, string(readFile(t, file))).(*corev1.Pod)
	if !ok {
		t.Fatalf("%s does not contain a pod", file)
	}
	return pod
}

func readFile(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// pathIfExists returns the path of the file, or "" if there is no such file.
func pathIfExists(t *testing.T, file string) string {
	t.Helper()
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return ""
	} else if err != nil {
		t.Fatal(err)
	}
	return file
}

func prefixed(directory string, names []string) []string {
	var paths []string
	for _, name := range names {
		paths = append(paths, filepath.Join(directory, name))
	}
	return paths
}

// Silences the log of the API server's packages.
func init() { klog.SetLogger(logr.Discard()) }
