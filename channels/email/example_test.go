package email

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// The example config shows every key of a mailbox, so that nobody has to read
// the source to find STARTTLS.
func TestExampleShowsEveryKey(t *testing.T) {
	example, err := os.ReadFile(filepath.Join("..", "..", "configs", "example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []reflect.Type{reflect.TypeFor[settings](), reflect.TypeFor[timeouts]()} {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("yaml"), ",")
			if name != "" && name != "-" && !strings.Contains(string(example), " "+name+": ") && !strings.Contains(string(example), " "+name+":\n") {
				t.Errorf("configs/example.yaml does not show the key %q", name)
			}
		}
	}
}
