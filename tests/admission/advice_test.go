package admission

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/warning"
)

// A row is a folder in advice/. workload.yaml is the object that a client applies. warning.txt is part of the only warning that
// the client receives; without that file, the client receives no warning.
func TestWarnings(t *testing.T) {
	rows, err := filepath.Glob("advice/*/workload.yaml")
	if err != nil || len(rows) == 0 {
		t.Fatalf("no rows: %v", err)
	}
	cluster := startCluster(t, readObjects(t, "")...)
	for _, file := range rows {
		row := filepath.Dir(file)
		t.Run(filepath.Base(row), func(t *testing.T) {
			t.Parallel()
			received := new(warnings)
			cluster.validate(warning.WithWarningRecorder(context.Background(), received), t, decode(t, file, string(readFile(t, file))))
			want := pathIfExists(t, filepath.Join(row, "warning.txt"))
			if want == "" {
				if len(received.texts) > 0 {
					t.Errorf("received the warnings %q; expected none", received.texts)
				}
				return
			}
			want = strings.TrimSpace(string(readFile(t, want)))
			if len(received.texts) != 1 || !strings.Contains(received.texts[0], want) {
				t.Errorf("received the warnings %q; expected only %q", received.texts, want)
			}
		})
	}
}

// warnings collects the texts that kubectl would print.
type warnings struct{ texts []string }

func (w *warnings) AddWarning(_, text string) { w.texts = append(w.texts, text) }
