package configs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"switchboard/pipeline/desk"
)

type settings struct {
	Host     string            `yaml:"host"`
	Port     int               `yaml:"port" min:"1" max:"65535"`
	BotToken string            `yaml:"botToken"`
	Pin      string            `yaml:"pin" secret:"true"`
	Keys     []string          `yaml:"keys,secret"`
	Poll     time.Duration     `yaml:"poll"`
	MaxBytes int64             `yaml:"maxBytes"`
	Map      map[string]string `yaml:"map"`
	Extra    *struct {
		Deep []int `yaml:"deep"`
	} `yaml:"extra"`
	Mode string `yaml:"mode" words:"fast,slow"`
	Any  any    `yaml:"any"`
}

func source1(t *testing.T, block string, pairs ...string) Block {
	t.Helper()
	c := parsed(t, "sources:\n  - name: s\n    channel: chat\n"+block, pairs...)
	return c.Sources[0].Block
}

func TestBlock(t *testing.T) {
	b := source1(t, `    chat:
      host: h
      botToken: ${T}
      pin: ${T}
      keys: ["${T}", "${U}"]
      poll: 1d
      maxBytes: 2MB
      map: { a: "${U}" }
      extra: { deep: [1, 2] }
      mode: FAST
      any: { x: [1, true, null, text] }
`, "T", "tok", "U", "you")
	s := settings{Port: 993}
	if err := b.Decode(&s); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%s %d %s %s %v %v %d %v %v %s %v", s.Host, s.Port, s.BotToken, s.Pin, s.Keys, s.Poll, s.MaxBytes, s.Map, s.Extra.Deep, s.Mode, s.Any)
	want := "h 993 tok tok [tok you] 24h0m0s 2097152 map[a:you] [1 2] fast map[x:[1 true <nil> text]]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !b.Written() {
		t.Error("the block is said not to be written")
	}
}

func TestBlockProblems(t *testing.T) {
	b := source1(t, `    chat:
      botToken: literal
      pin: literal
      keys: [literal]
      port: 70000
      poll: soon
      maxBytes: much
      map: [x]
      extra: { deep: [x] }
      mode: fats
      hots: h
`)
	err := b.Decode(&settings{})
	want := `test.yaml:5:17: botToken is a secret and must not stand in this file; write ${NAME} or file:PATH
test.yaml:6:12: pin is a secret and must not stand in this file; write ${NAME} or file:PATH
test.yaml:7:14: keys is a secret and must not stand in this file; write ${NAME} or file:PATH
test.yaml:8:13: port must be at most 65535
test.yaml:9:13: poll: "soon": want a duration such as 30s, 5m, 1h30m or 7d
test.yaml:10:17: maxBytes: want a size such as 25MB, 256KB or 1GB
test.yaml:11:12: map must be a mapping (key: value), not a list
test.yaml:12:23: deep must be a whole number, not a text
test.yaml:13:13: mode cannot be "fats"; did you mean "fast"?
test.yaml:14:7: unknown key "hots"; did you mean "host"?`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if err := b.Decode(settings{}); err == nil {
		t.Error("a struct that cannot be filled was taken")
	}
}

func TestBlockEmpty(t *testing.T) {
	for name, b := range map[string]Block{"zero": {}, "missing": source1(t, ""), "null": source1(t, "    chat:\n")} {
		s := settings{Port: 5}
		if err := b.Decode(&s); err != nil || s.Port != 5 {
			t.Errorf("%s: %v, %+v", name, err, s)
		}
	}
}

func TestBlockLocate(t *testing.T) {
	b := source1(t, "    chat:\n      host: h\n      extra:\n        deep: [1, 2]\n")
	for field, want := range map[string]string{
		"host": "5:13", "extra.deep[1]": "7:19", "extra.missing": "7:9", "missing": "5:7", "": "5:7",
	} {
		err := b.Locate(fmt.Errorf("chat: %w", desk.Invalidf(field, "is wrong")))
		if err == nil || !strings.HasPrefix(err.Error(), "test.yaml:"+want+": ") || !strings.HasSuffix(err.Error(), "is wrong") {
			t.Errorf("%q: %v, want it at %s", field, err, want)
		}
	}
	if err := source1(t, "").Locate(desk.Invalidf("host", "is required")); err == nil || err.Error() != "test.yaml:2:5: host: is required" {
		t.Errorf("without a block: %v", err)
	}
	other := errors.New("other")
	if b.Locate(other) != other || b.Locate(nil) != nil {
		t.Error("an error without a field was changed")
	}
}

// What a channel says of its settings is told beside what does not decode, but
// not about the same value.
func TestBlockCheck(t *testing.T) {
	b := source1(t, "    chat:\n      port: many\n      botToken: literal\n      poll: 5s\n")
	check := func(b Block) error {
		s := settings{Poll: time.Minute}
		if err := b.Decode(&s); err != nil {
			return fmt.Errorf("decode: %w", err)
		}
		var errs []error
		if s.BotToken == "" {
			errs = append(errs, desk.Invalidf("botToken", "is required"))
		}
		if s.Poll < time.Minute {
			errs = append(errs, desk.Invalidf("poll", "is too short"))
		}
		if s.Host == "" && s.Poll < time.Minute {
			errs = append(errs, desk.Invalidf("host", "is required"))
		}
		return errors.Join(errs...)
	}
	got := b.Check(check)
	want := `test.yaml:5:7: host: is required
test.yaml:5:13: port must be a whole number, not a text
test.yaml:6:17: botToken is a secret and must not stand in this file; write ${NAME} or file:PATH
test.yaml:7:13: poll: is too short`
	if got == nil || !sameLines(got.Error(), want) {
		t.Errorf("got\n%v\nwant\n%s", got, want)
	}
	if err := source1(t, "    chat: { botToken: \"${T}\", poll: 5m }\n", "T", "x").Check(check); err != nil {
		t.Error(err)
	}
	if err := b.Decode(&settings{}); err == nil {
		t.Error("the block itself forgives now")
	}
	other := errors.New("other")
	if err := b.Check(func(Block) error { return other }); err != other {
		t.Error(err)
	}
}

func sameLines(a, b string) bool {
	return slices.Equal(slices.Sorted(strings.SplitSeq(a, "\n")), slices.Sorted(strings.SplitSeq(b, "\n")))
}
