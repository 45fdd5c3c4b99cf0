package admission

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"google.golang.org/protobuf/types/known/structpb"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
	"k8s.io/apiserver/pkg/cel/mutation"
	"sigs.k8s.io/yaml"
)

// untypedEngine evaluates the policies as Kyverno does, which is stricter than the API server: `object` has no type, orValue() returns
// a value without a type, the elements of a list must have the same type, and a variable keeps its value from one mutation to the next.
type untypedEngine struct {
	namespaces         map[string]*corev1.Namespace
	mutation, checking *untypedPolicy
}

type untypedPolicy struct {
	spec                     kyvernoSpec
	conditions, variables    []cel.Program
	mutations                []cel.Program
	validations, explanation []cel.Program
}

func newUntypedEngine(t *testing.T, folder string) kyvernoEngine {
	t.Helper()
	values := struct{ Namespaces []*corev1.Namespace }{}
	if err := yaml.Unmarshal(readFile(t, filepath.Join(folder, "values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	engine := untypedEngine{namespaces: map[string]*corev1.Namespace{}}
	for _, namespace := range values.Namespaces {
		engine.namespaces[namespace.Name] = namespace
	}
	engine.mutation = compileWithoutTypes(t, filepath.Join(folder, "policy.yaml"))
	engine.checking = compileWithoutTypes(t, filepath.Join(folder, "validation.yaml"))
	return engine
}

// The advice is compiled too, although it needs no types of pods.
func TestAdviceCompilesWithoutTypes(t *testing.T) {
	compileWithoutTypes(t, filepath.Join(kyvernoPolicies, "advice.yaml"))
}

func compileWithoutTypes(t *testing.T, file string) *untypedPolicy {
	t.Helper()
	document := struct{ Spec kyvernoSpec }{}
	if err := yaml.Unmarshal(readFile(t, file), &document); err != nil {
		t.Fatal(err)
	}
	policy := &untypedPolicy{spec: document.Spec}
	env := untypedEnvironment(t)
	compile := func(what, expression string, wanted *cel.Type) (cel.Program, *cel.Type) {
		compiled, issues := env.Compile(strings.ReplaceAll(expression, "variables.", "variables_"))
		if issues.Err() != nil {
			t.Fatalf("%s: %s: %v", file, what, issues.Err())
		}
		output := compiled.OutputType()
		if wanted != nil && !output.IsExactType(wanted) && !output.IsExactType(cel.DynType) {
			t.Errorf("%s: %s has the type %s; expected %s", file, what, output, wanted)
		}
		program, err := env.Program(compiled)
		if err != nil {
			t.Fatal(err)
		}
		return program, output
	}
	for _, condition := range policy.spec.MatchConditions {
		program, _ := compile(condition.Name, condition.Expression, cel.BoolType)
		policy.conditions = append(policy.conditions, program)
	}
	for _, variable := range policy.spec.Variables {
		program, kind := compile("variable "+variable.Name, variable.Expression, nil)
		policy.variables = append(policy.variables, program)
		extended, err := env.Extend(cel.Variable("variables_"+variable.Name, kind))
		if err != nil {
			t.Fatal(err)
		}
		env = extended
	}
	for _, mutation := range policy.spec.Mutations {
		program, _ := compile("a mutation", mutation.JSONPatch.Expression, cel.ListType(types.NewObjectType("JSONPatch")))
		policy.mutations = append(policy.mutations, program)
	}
	for _, validation := range policy.spec.Validations {
		program, _ := compile("a validation", validation.Expression, cel.BoolType)
		policy.validations = append(policy.validations, program)
		explanation := validation.MessageExpression
		if explanation == "" {
			explanation = strconv.Quote(validation.Message)
		}
		program, _ = compile("a message", explanation, cel.StringType)
		policy.explanation = append(policy.explanation, program)
	}
	return policy
}

// start returns the input of the expressions, or nil if the policy does not match the pod.
func (p *untypedPolicy) start(t *testing.T, pod *corev1.Pod, namespace *corev1.Namespace) map[string]any {
	t.Helper()
	for _, match := range []struct {
		selector *metav1.LabelSelector
		labels   map[string]string
	}{{p.spec.MatchConstraints.ObjectSelector, pod.Labels}, {p.spec.MatchConstraints.NamespaceSelector, namespace.Labels}} {
		selector, err := metav1.LabelSelectorAsSelector(match.selector)
		if err != nil {
			t.Fatal(err)
		}
		if !selector.Matches(labels.Set(match.labels)) {
			return nil
		}
	}
	input := map[string]any{"object": untyped(t, pod), "namespaceObject": untyped(t, namespace)}
	for _, condition := range p.conditions {
		if evaluate(t, condition, input) != types.True {
			return nil
		}
	}
	for i, variable := range p.variables {
		input["variables_"+p.spec.Variables[i].Name] = evaluate(t, variable, input)
	}
	return input
}

func evaluate(t *testing.T, program cel.Program, input map[string]any) ref.Val {
	t.Helper()
	result, _, err := program.Eval(input)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func (e untypedEngine) mutate(t *testing.T, pods []*corev1.Pod) []*corev1.Pod {
	t.Helper()
	var mutated []*corev1.Pod
	for _, pod := range pods {
		input := e.mutation.start(t, pod, e.namespaces[pod.Namespace])
		if input == nil {
			mutated = append(mutated, pod)
			continue
		}
		for _, mutation := range e.mutation.mutations {
			input["object"] = patched(t, input["object"], evaluate(t, mutation, input))
		}
		text, err := json.Marshal(input["object"])
		if err != nil {
			t.Fatal(err)
		}
		mutated = append(mutated, decode(t, pod.Name, string(text)).(*corev1.Pod))
	}
	return mutated
}

func (e untypedEngine) validate(t *testing.T, pods []*corev1.Pod) []string {
	t.Helper()
	messages := make([]string, len(pods))
	for i, pod := range pods {
		input := e.checking.start(t, pod, e.namespaces[pod.Namespace])
		for j := range e.checking.validations {
			if input != nil && messages[i] == "" && evaluate(t, e.checking.validations[j], input) != types.True {
				messages[i] = evaluate(t, e.checking.explanation[j], input).Value().(string)
			}
		}
	}
	return messages
}

// untyped converts an object to maps and lists.
func untyped(t *testing.T, object any) map[string]any {
	t.Helper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

// patched applies a list of JSONPatch values.
func patched(t *testing.T, object any, operations ref.Val) map[string]any {
	t.Helper()
	var patch []map[string]any
	for items := operations.(traits.Lister).Iterator(); items.HasNext() == types.True; {
		operation := items.Next().Value().(*mutation.JSONPatchVal)
		value, err := operation.Val.ConvertToNative(reflect.TypeFor[*structpb.Value]())
		if err != nil {
			t.Fatal(err)
		}
		patch = append(patch, map[string]any{"op": operation.Op, "path": operation.Path, "value": value})
	}
	text, err := json.Marshal(patch)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	before, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	after, err := decoded.Apply(before)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	// This decoder keeps integers.
	if err := utiljson.Unmarshal(after, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// kyvernoSpec has the fields of the policies for Kyverno that contain expressions.
type kyvernoSpec struct {
	MatchConstraints *v1.MatchResources
	MatchConditions  []v1.MatchCondition
	Variables        []v1.Variable
	Mutations        []v1.Mutation
	Validations      []v1.Validation
}

func untypedEnvironment(t *testing.T) *cel.Env {
	t.Helper()
	base, err := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).Env(environment.StoredExpressions)
	if err != nil {
		t.Fatal(err)
	}
	namespace := plugincel.BuildNamespaceType()
	declared, err := apiservercel.NewDeclTypeProvider(namespace).EnvOptions(base.CELTypeProvider())
	if err != nil {
		t.Fatal(err)
	}
	env, err := base.Extend(append(declared,
		cel.Variable("object", cel.DynType),
		cel.Variable("namespaceObject", namespace.CelType()),
		common.ResolverEnvOption(&mutation.DynamicTypeResolver{}),
		environment.UnversionedLib(library.JSONPatch),
		cel.Macros(cel.ReceiverMacro("orValue", 1, func(factory cel.MacroExprFactory, target ast.Expr, arguments []ast.Expr) (ast.Expr, *cel.Error) {
			return factory.NewCall("orValueWithoutType", target, arguments[0]), nil
		})),
		cel.Function("orValueWithoutType", cel.Overload("orValue_without_type", []*cel.Type{cel.DynType, cel.DynType}, cel.DynType,
			cel.BinaryBinding(func(value, fallback ref.Val) ref.Val {
				optional, ok := value.(*types.Optional)
				if !ok {
					return value
				}
				if optional.HasValue() {
					return optional.GetValue()
				}
				return fallback
			}))),
	)...)
	if err != nil {
		t.Fatal(err)
	}
	return env
}
