package admission

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"k8s.io/api/admissionregistration/v1"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
	"k8s.io/apiserver/pkg/cel/mutation"
	"sigs.k8s.io/yaml"
)

// The expressions compile as Kyverno compiles them, which is stricter than the API server: `object` has no type, orValue() returns a
// value without a type, and the elements of a list must have the same type. tests/kyverno/run does the same with Kyverno itself.
func TestExpressionsCompileWithoutTypes(t *testing.T) {
	for _, head := range kyvernoHeads {
		policy := struct{ Spec kyvernoSpec }{}
		if err := yaml.Unmarshal(readFile(t, filepath.Join(kyvernoPolicies, head.file)), &policy); err != nil {
			t.Fatal(err)
		}
		env := untypedEnvironment(t)
		compile := func(what, expression string, wanted *cel.Type) *cel.Type {
			compiled, issues := env.Compile(strings.ReplaceAll(expression, "variables.", "variables_"))
			if issues.Err() != nil {
				t.Errorf("%s: %s: %v", head.file, what, issues.Err())
				return cel.DynType
			}
			if wanted != nil && !compiled.OutputType().IsExactType(wanted) && !compiled.OutputType().IsExactType(cel.DynType) {
				t.Errorf("%s: %s has the type %s; expected %s", head.file, what, compiled.OutputType(), wanted)
			}
			return compiled.OutputType()
		}
		for _, condition := range policy.Spec.MatchConditions {
			compile(condition.Name, condition.Expression, cel.BoolType)
		}
		for _, variable := range policy.Spec.Variables {
			kind := compile("variable "+variable.Name, variable.Expression, nil)
			extended, err := env.Extend(cel.Variable("variables_"+variable.Name, kind))
			if err != nil {
				t.Fatal(err)
			}
			env = extended
		}
		for _, mutation := range policy.Spec.Mutations {
			compile("a mutation", mutation.JSONPatch.Expression, cel.ListType(types.NewObjectType("JSONPatch")))
		}
		for _, validation := range policy.Spec.Validations {
			compile("a validation", validation.Expression, cel.BoolType)
			if validation.MessageExpression != "" {
				compile("a message", validation.MessageExpression, cel.StringType)
			}
		}
	}
}

// kyvernoSpec has the fields of the policies for Kyverno that contain expressions.
type kyvernoSpec struct {
	MatchConditions []v1.MatchCondition
	Variables       []v1.Variable
	Mutations       []v1.Mutation
	Validations     []v1.Validation
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
		cel.Function("orValueWithoutType", cel.Overload("orValue_without_type", []*cel.Type{cel.DynType, cel.DynType}, cel.DynType)),
	)...)
	if err != nil {
		t.Fatal(err)
	}
	return env
}
