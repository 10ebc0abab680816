package webform

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"switchboard/configs"
)

// formYAML is a config with one form, which has what is given.
func formYAML(keys string) string {
	return "sources:\n  - name: site\n    channel: webform\n    webform:\n      forms:\n        - { name: f, title: F, " + keys + " }\n"
}

// TestWrongSettings: every mistake is found where it stands.
func TestWrongSettings(t *testing.T) {
	text := "{ name: a, label: A }"
	for keys, want := range map[string]string{
		"fields: []":                                                                                                         "fields: are required",
		"fields: [" + text + ", " + text + "]":                                                                               "fields[1].name: is another field's too",
		"fields: [{ name: _a, label: A }]":                                                                                   "fields[0].name: must be letters",
		"fields: [{ name: lang, label: A }]":                                                                                 "fields[0].name: must be letters",
		"fields: [{ name: a }]":                                                                                              "fields[0].label: is required",
		"fields: [{ name: a, label: { en: A, xx: B } }]":                                                                     `label: has a text for "xx"`,
		"languages: [de, en], fields: [{ name: a, label: {en: A} }]":                                                         `label: lacks a text in "de"`,
		"languages: [de, xx], fields: [" + text + "]":                                                                        `languages[1]: cannot be "xx"; known are de, en, es, fr`,
		"languages: [de, de], fields: [" + text + "]":                                                                        "languages[1]: is there twice",
		"fields: [{ name: a, label: [x] }]":                                                                                  "label: must be a text",
		"fields: [{ name: a, label: A, type: choice }]":                                                                      "options: are required",
		"fields: [{ name: a, label: A, options: [x] }]":                                                                      "options: are for the types choice",
		"fields: [{ name: a, label: A, type: choice, options: [x, x] }]":                                                     "options[1]: is there twice",
		"fields: [{ name: a, label: A, type: choice, options: [{ value: x, lable: y }] }]":                                   `options[0]: has the unknown key "lable"`,
		"fields: [{ name: a, label: A, type: choice, options: [x], default: y }]":                                            "default: is not a value",
		"fields: [{ name: a, label: A, type: choice, options: [HIGH, soon], to: priority }]":                                 "options[1]: is not a priority",
		"fields: [{ name: a, label: A, to: priority }]":                                                                      "to: takes only the types [choice hidden]",
		"fields: [{ name: a, label: A, to: requester.email }]":                                                               "to: takes only the types [email]",
		"fields: [{ name: a, label: A, to: teamId }]":                                                                        "to: must be title, description",
		"fields: [{ name: a, label: A, to: customFields. }]":                                                                 "to: must name a custom field",
		"fields: [{ name: a, label: A, to: title }, { name: b, label: B, to: title }]":                                       "fields[1].to: is where another field goes already",
		"fields: [{ name: a, type: file, label: A, to: customFields.x }]":                                                    "to: is not for files",
		"fields: [{ name: a, type: file, label: A, default: x }]":                                                            "default: is not for files",
		"fields: [{ name: a, type: hidden, to: tags }]":                                                                      "default: is required",
		"fields: [{ name: a, type: hidden, to: priority, default: soon }]":                                                   "default: is not a priority",
		"fields: [{ name: a, label: A, min: 1 }]":                                                                            "min: is for the types number and date",
		"fields: [{ name: a, type: number, label: A, min: 5, max: 3 }]":                                                      "max: is less than min",
		"fields: [{ name: a, type: date, label: A, min: soon }]":                                                             "min: must be a date",
		"fields: [{ name: a, type: email, label: A, maxLength: 5 }]":                                                         "maxLength: is for",
		"fields: [{ name: a, label: A, maxLength: -5 }]":                                                                     "maxLength: must be between",
		`fields: [{ name: a, label: A, pattern: "(" }]`:                                                                      "pattern: is not a regular expression",
		"fields: [{ name: a, type: email, label: A, pattern: x }]":                                                           "pattern: is for",
		"fields: [{ name: a, label: A, when: { field: b, notEmpty: true } }, { name: b, label: B }]":                         "fields[0].when.field: must name a field above",
		"fields: [" + text + ", { name: b, label: B, when: { field: a } }]":                                                  "fields[1].when: needs one of",
		"fields: [" + text + ", { name: b, label: B, when: { field: a, equals: x, notEmpty: true } }]":                       "fields[1].when: needs one of",
		"fields: [{ name: a, type: checkbox, label: A }, { name: b, label: B, when: { field: a, equals: x } }]":              "when: a checkbox is true or false",
		"fields: [{ name: a, type: choice, label: A, options: [x] }, { name: b, label: B, when: { field: a, in: [x, y] } }]": "not an option of a",
		"fields: [{ name: a, type: number, label: A }, { name: b, label: B, when: { field: a, equals: x } }]":                "when: must compare",
		"fields: [" + text + "], accent: red":                                                                                "accent: must be a colour",
		`fields: [` + text + `], origins: ["https://a.example/"]`:                                                            "origins[0]: is not the origin",
		`fields: [` + text + `], origins: ["https://*.example"]`:                                                             "origins[0]: is not the origin",
		`fields: [` + text + `], origins: ["https://a.example; script-src *"]`:                                               "origins[0]: is not the origin",
		"fields: [" + text + "], upload: { types: [image/svg+xml] }":                                                         "upload.types[0]: is not a file type",
		"fields: [" + text + "], upload: { fileBytes: 10MB, totalBytes: 1MB }":                                               "upload.totalBytes: must be",
		"fields: [" + text + "], upload: { files: 1000 }":                                                                    "upload.files: must be",
		"fields: [" + text + "], spam: { minSeconds: -1 }":                                                                   "spam.minSeconds: must be",
		"fields: [" + text + "], spam: { tokenLife: 1s }":                                                                    "spam.tokenLife: must be",
		"fields: [" + text + "], spam: { perIP: { rate: 0, burst: 1 } }":                                                     "spam.perIP.rate: must be",
		"fields: [" + text + "], spam: { perForm: { rate: 1, burst: 0 } }":                                                   "spam.perForm.burst: must be",
		"fields: [" + text + "], spam: { captcha: { siteKey: x } }":                                                          "captcha.secret: is required",
		"fields: [" + text + "], spam: { captcha: { siteKey: x, secret: '${S}', class: c, response: r, scriptURL: 'https://x.example/a.js', verifyURL: 'http://x.example' } }": "captcha.verifyURL: must be an https",
		"fields: [" + text + "], spam: { captcha: { siteKey: x, secret: stands-here } }":                                                                                       "secret is a secret",
		"fields: [" + text + "], colour: red":          `unknown key "colour"`,
		"fields: [{ name: a, label: A, type: radio }]": "type",
	} {
		b := block(t, formYAML(keys))
		err := Kind().Check(b)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n\tgives %v\n\twant %s", keys, err, want)
			continue
		}
		if err := b.Locate(err); !regexp.MustCompile(`config\.yaml:\d+:\d+: `).MatchString(err.Error()) {
			t.Errorf("%s: no place: %v", keys, err)
		}
	}
	for yaml, want := range map[string]string{
		"webform: { forms: [] }": "forms: are required",
		"webform: { continueAddress: nobody, forms: [{ name: f, title: F, fields: [" + text + "] }] }":           "continueAddress: is not a mail address",
		"webform: { trustedProxies: [10.0.0.0/99], forms: [{ name: f, title: F, fields: [" + text + "] }] }":     "trustedProxies[0]",
		"webform: { forms: [{ name: F, title: F, fields: [" + text + "] }] }":                                    "forms[0].name: must be lower-case",
		"webform: { forms: [{ name: receipts, title: F, fields: [" + text + "] }] }":                             "forms[0].name: is an address of ours",
		"webform: { forms: [{ name: f, fields: [" + text + "] }] }":                                              "forms[0].title: is required",
		"webform: { forms: [{ name: f, title: F, fields: [" + text + "] }, { name: f, title: G, fields: [] }] }": "forms[1].name: is another form's too",
	} {
		err := Kind().Check(block(t, "sources:\n  - name: site\n    channel: webform\n    "+yaml+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %s", yaml, err, want)
		}
	}
	if Kind().Check(nil) == nil {
		t.Error("no block at all is good")
	}
}

// TestExample: the documented config shows every key there is, and its forms
// open and show.
func TestExample(t *testing.T) {
	file := "../../configs/example.yaml"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(data), "    webform:\n")
	part, _, _ = strings.Cut(part, "\n  - name: ")
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			return
		}
		for i := range typ.NumField() {
			key := typ.Field(i).Tag.Get("yaml")
			if !regexp.MustCompile(`(?m)(^|[{ ,-])` + key + `:( |$)`).MatchString(part) {
				t.Errorf("the key %s of %s is not in the example", key, typ)
			}
			walk(typ.Field(i).Type)
		}
	}
	walk(reflect.TypeFor[settings]())
	c, err := configs.Load(file, func(string) (string, bool) { return "s3cret", true })
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Sources {
		if s.Channel == "WEB_FORM" {
			if err := Kind().Check(s.Block); err != nil {
				t.Error(s.Block.Locate(err))
			}
			return
		}
	}
	t.Error("the example has no form")
}

func TestTheme(t *testing.T) {
	for _, accent := range []string{"#000000", "#ffffff", "#ffd400", "#ff0000", "#0000ff", "#777777", "#0d7a5f", "#00ff00"} {
		th, err := themeOf(accent)
		if err != nil {
			t.Fatal(err)
		}
		for name, pair := range map[string][2]rgb{"light page": {th.light, lightPage}, "dark panel": {th.dark, darkPanel}, "light button": {th.light, th.onLight}, "dark button": {th.dark, th.onDark}} {
			if c := contrast(pair[0], pair[1]); c < 4.5 {
				t.Errorf("%s on the %s: %.2f (%s, %s)", accent, name, c, pair[0], pair[1])
			}
		}
	}
	if got := contrast(white, rgb{}); got < 20.99 || got > 21.01 {
		t.Errorf("white on black is %.3f", got)
	}
	if th, _ := themeOf("#0d7a5f"); th.light.String() != "#0d7a5f" {
		t.Errorf("a colour that can be read was changed to %s", th.light)
	}
}
