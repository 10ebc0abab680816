package letter

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden reads testdata/*.eml and compares the letter with the .json beside
// it. References are numbers in the order in which the Sink was called.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d mails: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".eml"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			calls := 0
			put := func(_ context.Context, name, contentType string, r io.Reader) (string, int64, error) {
				n, err := io.Copy(io.Discard, r)
				calls++
				return fmt.Sprintf("ref-%d", calls), n, err
			}
			l, err := Read(context.Background(), bytes.NewReader(raw), DefaultLimits(), put)
			if err != nil {
				t.Fatal(err)
			}
			sound(t, l)
			var out bytes.Buffer
			enc := json.NewEncoder(&out)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(l); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".eml") + ".json"
			if *update {
				if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), want) {
				t.Errorf("%s differs; got:\n%s", golden, out.Bytes())
			}
		})
	}
}
