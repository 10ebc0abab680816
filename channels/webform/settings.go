package webform

import (
	"time"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

// settings are the keys of a webform source's block. A text that people read
// (any below, where the comment says so) is one text for every language, or a
// mapping from language to text.
type settings struct {
	Forms []formSettings `yaml:"forms"`
	// TrustedProxies are addresses and networks (10.0.0.0/8) whose
	// X-Forwarded-For is believed; without any the connection's address counts.
	TrustedProxies []string `yaml:"trustedProxies"`
	// ContinueAddress is a mail address of ours, shown with the receipt as
	// "continue by email". Empty: it is not offered.
	ContinueAddress string `yaml:"continueAddress"`
}

type formSettings struct {
	Name      string          `yaml:"name"`      // part of the address: /forms/{source}/{name}
	Title     any             `yaml:"title"`     // text
	Intro     any             `yaml:"intro"`     // text; a blank line begins a paragraph
	Success   any             `yaml:"success"`   // text shown with the receipt
	Languages []string        `yaml:"languages"` // the first is the default and the agents'
	Fields    []fieldSettings `yaml:"fields"`
	Origins   []string        `yaml:"origins"` // sites that may embed it and post its JSON
	Upload    uploadSettings  `yaml:"upload"`
	Spam      spamSettings    `yaml:"spam"`
	Accent    string          `yaml:"accent"` // colour, #rrggbb
}

type fieldSettings struct {
	Name      string        `yaml:"name"`
	Type      string        `yaml:"type" words:"text,longtext,email,phone,number,date,choice,choices,checkbox,file,hidden"`
	Label     any           `yaml:"label"` // text
	Help      any           `yaml:"help"`  // text
	Required  bool          `yaml:"required"`
	Default   any           `yaml:"default"`
	Options   []any         `yaml:"options"` // a word, or {value, label}
	Min       any           `yaml:"min"`     // of a number or a date
	Max       any           `yaml:"max"`
	MaxLength int           `yaml:"maxLength"` // characters
	Pattern   string        `yaml:"pattern"`   // of the whole text; RE2
	When      *whenSettings `yaml:"when"`      // shown only then
	To        string        `yaml:"to"`        // where on the ticket it goes
}

type whenSettings struct {
	Field    string `yaml:"field"`
	Equals   any    `yaml:"equals"`
	In       []any  `yaml:"in"`
	NotEmpty bool   `yaml:"notEmpty"`
}

// uploadSettings bound the files of one submission; 0 means the default.
type uploadSettings struct {
	Files      int      `yaml:"files"`
	FileBytes  int64    `yaml:"fileBytes"`
	TotalBytes int64    `yaml:"totalBytes"`
	Types      []string `yaml:"types"` // media types, "image/*", extensions; "*/*" is anything
}

type spamSettings struct {
	MinSeconds *int             `yaml:"minSeconds"` // nobody fills it in faster
	TokenLife  *time.Duration   `yaml:"tokenLife"`  // a page older than this must be loaded again
	Honeypot   *bool            `yaml:"honeypot"`   // a field people do not see
	PerIP      *bucketSettings  `yaml:"perIP"`
	PerForm    *bucketSettings  `yaml:"perForm"`
	Captcha    *captchaSettings `yaml:"captcha"`
}

type bucketSettings struct {
	Rate  float64 `yaml:"rate"`  // a second
	Burst int     `yaml:"burst"` // at once
}

type captchaSettings struct {
	VerifyURL string `yaml:"verifyURL"` // asked with secret, response and remoteip
	SiteKey   string `yaml:"siteKey"`
	Secret    string `yaml:"secret"`
	ScriptURL string `yaml:"scriptURL"` // what draws it on the page
	Class     string `yaml:"class"`     // of the element it is drawn in
	Response  string `yaml:"response"`  // the field it answers in
	// FailOpen takes what was sent when the verifier does not answer, or not to us;
	// otherwise who sent it is asked to do so again in a moment.
	FailOpen bool `yaml:"failOpen"`
}

// The defaults.
const (
	defaultMinSeconds = 3
	defaultTokenLife  = 24 * time.Hour
	defaultFiles      = 5
	defaultFileBytes  = 10 << 20
	defaultTotalBytes = 25 << 20
	defaultText       = 500    // characters of a text
	defaultLongText   = 20_000 // characters of a longtext
	defaultAccent     = "#1f5fd0"
)

var (
	defaultPerIP   = bucketSettings{Rate: 0.2, Burst: 20}
	defaultPerForm = bucketSettings{Rate: 10, Burst: 200}
	defaultTypes   = []string{"image/*", "application/pdf", "text/*", ".docx", ".xlsx", ".pptx", ".odt", ".ods", ".zip"}
)

// load decodes a block and compiles its forms. Errors of the decoder carry line
// and column; the others are joined *desk.Invalid, each naming its key.
func load(b channels.Block) (*site, error) {
	var s settings
	if b == nil {
		return nil, desk.Invalidf("forms", "are required: at least one")
	}
	if err := b.Decode(&s); err != nil {
		return nil, err
	}
	return compile(s)
}
