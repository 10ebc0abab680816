package configs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestSecretsDoNotPrint(t *testing.T) {
	c := parsed(t, "redis: { mode: single, addrs: ['r:1'], password: '${P}' }\ndatabase: { url: 'postgres://sb:${P}@db/x?sslmode=verify-full&sslpassword=${P}' }\n", "P", "hunter2")
	if string(c.Redis.Password) != "hunter2" || !strings.Contains(string(c.Database.URL), "sb:hunter2@db") {
		t.Fatalf("the secret itself is gone: %q %q", string(c.Redis.Password), string(c.Database.URL))
	}
	var out bytes.Buffer
	for _, v := range []any{c.Redis, c.Database, c.Redis.Password, c.Database.URL, &c.Redis, []Secret{"hunter2"}} {
		fmt.Fprintf(&out, "%v %+v %#v %s %q\n", v, v, v, v, v)
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		y, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(j)
		out.Write(y)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("the secret is shown:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "sb:"+dots+"@db") {
		t.Errorf("the URL is not shown without its password:\n%s", out.String())
	}
}

func TestURLString(t *testing.T) {
	for in, want := range map[string]string{
		"redis://h:1/0":                                  "redis://h:1/0",
		"redis://:pw@h:1/0":                              "redis://:" + dots + "@h:1/0",
		"postgres://u:p/w@h/x":                           "postgres://" + dots + "@h/x",
		"host=h password=pw user=u":                      "host=h password=" + dots + " user=u",
		"host=h password='p w' user=u":                   "host=h password=" + dots + " user=u",
		"sqlite:/data/desk.db":                           "sqlite:/data/desk.db",
		"redis-sentinel://s/m?sentinel_password=pw&db=1": "redis-sentinel://s/m?sentinel_password=" + dots + "&db=1",
	} {
		if got := URL(in).String(); got != want {
			t.Errorf("%s prints as %s, want %s", in, got, want)
		}
	}
}

func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, data string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("pw", "s3cret\r\n")
	write("empty", "\n")
	write("binary", "a\x00b")
	write("large", strings.Repeat("x", maxSecret+1))
	for path, want := range map[string]string{
		"pw": "", filepath.Join(dir, "pw"): "", "${D}/pw": "",
		"empty": "is empty", "binary": "is not text", "large": "is too large for a secret", "none": "does not exist", "": "must be followed by a path",
	} {
		c, err := Parse(filepath.Join(dir, "c.yaml"), []byte("redis: { mode: single, addrs: ['r:1'], password: 'file:"+path+"' }\n"), env("D", dir))
		switch {
		case want == "" && (err != nil || c.Redis.Password != "s3cret"):
			t.Errorf("file:%s: %v", path, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("file:%s: %v, want %q", path, err, want)
		}
	}
}

func TestVariables(t *testing.T) {
	c := parsed(t, `
server: { addr: "${HOST}:${PORT}" }
database: { maxConns: "${N}" }
redis: { url: "${URL}" }
limits: { messageBytes: "${SIZE}" }
intake: { ledgerWait: "${WAIT}" }
agents: [{ id: a, name: "a $${x}", away: "${YES}" }]
`, "HOST", "0.0.0.0", "PORT", "81", "N", "7", "URL", "redis://:pw@h:1", "SIZE", "2MB", "WAIT", "1ms", "YES", "true")
	if c.Server.Addr != "0.0.0.0:81" || c.Database.MaxConns != 7 || c.Redis.URL != "redis://:pw@h:1" ||
		c.Limits.MessageBytes != 2*MB || c.Intake.LedgerWait != 1e6 || !c.Agents[0].Away {
		t.Errorf("%+v", c)
	}
	if c.Agents[0].Name != "a ${x}" {
		t.Errorf("name %q", c.Agents[0].Name)
	}
}
