package admission

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/warning"
)

// A row of advice/ is what somebody applies; warning.txt is a part of the only warning they get, or there is none.
func TestAdvice(t *testing.T) {
	rows, err := filepath.Glob("advice/*/workload.yaml")
	if err != nil || len(rows) == 0 {
		t.Fatalf("no rows: %v", err)
	}
	cluster := startCluster(t, applied(t, "")...)
	for _, file := range rows {
		row := filepath.Dir(file)
		t.Run(filepath.Base(row), func(t *testing.T) {
			t.Parallel()
			heard := new(warnings)
			cluster.validate(warning.WithWarningRecorder(context.Background(), heard), t, decode(t, file, string(readFile(t, file))))
			want := existing(t, filepath.Join(row, "warning.txt"))
			if want == "" {
				if len(heard.texts) > 0 {
					t.Errorf("warned of %q", heard.texts)
				}
				return
			}
			want = strings.TrimSpace(string(readFile(t, want)))
			if len(heard.texts) != 1 || !strings.Contains(heard.texts[0], want) {
				t.Errorf("warned of %q, and not once of %q", heard.texts, want)
			}
		})
	}
}

// warnings are what kubectl would print.
type warnings struct{ texts []string }

func (w *warnings) AddWarning(_, text string) { w.texts = append(w.texts, text) }
