package webform

import (
	"net/netip"
	"regexp"
	"slices"
	"time"
)

// site is a source's settings, compiled and checked. It never changes.
type site struct {
	forms           []*form
	proxies         []netip.Prefix
	continueAddress string
}

// form is one form of a site.
type form struct {
	name    string
	title   phrase
	intro   phrase
	success phrase
	langs   []string
	fields  []*field
	origins []string
	upload  upload
	spam    spam
	theme   theme
	// honeypot is the name of the field people do not see; empty: there is none.
	honeypot string
}

// field is one question of a form.
type field struct {
	name      string
	kind      kind
	label     phrase
	help      phrase
	required  bool
	initial   []string // what it holds before anybody writes
	options   []option
	min, max  string // as written, for the page; empty: none
	low, high float64
	maxLength int
	pattern   *regexp.Regexp
	when      *condition
	to        target
	custom    string // name of the custom field, for toCustom
	fixed     bool   // what is sent does not count: it always holds initial
}

// kind is the type of a field.
type kind string

// The types of field.
const (
	kindText     kind = "text"
	kindLongText kind = "longtext"
	kindEmail    kind = "email"
	kindPhone    kind = "phone"
	kindNumber   kind = "number"
	kindDate     kind = "date"
	kindChoice   kind = "choice"
	kindChoices  kind = "choices"
	kindCheckbox kind = "checkbox"
	kindFile     kind = "file"
	kindHidden   kind = "hidden"
)

var kinds = []kind{kindText, kindLongText, kindEmail, kindPhone, kindNumber, kindDate, kindChoice, kindChoices, kindCheckbox, kindFile, kindHidden}

// target is where on the ticket the value of a field goes. A field without one
// stands in the text of the message.
type target string

// The targets; "customFields.X" is toCustom and the field's custom is X.
const (
	toText        target = ""
	toTitle       target = "title"
	toDescription target = "description"
	toEmail       target = "requester.email"
	toName        target = "requester.name"
	toPriority    target = "priority"
	toType        target = "type"
	toTags        target = "tags"
	toCustom      target = "customFields."
)

// option is one thing to choose.
type option struct {
	value string
	label phrase
}

// upload bounds the files of one submission.
type upload struct {
	files      int
	fileBytes  int64
	totalBytes int64
	types      fileTypes
}

// spam is what holds off machines.
type spam struct {
	minTime   time.Duration
	tokenLife time.Duration
	perIP     bucketSettings
	perForm   bucketSettings
	captcha   *captchaSettings
}

// form finds a form by name, or nil.
func (s *site) form(name string) *form {
	for _, f := range s.forms {
		if f.name == name {
			return f
		}
	}
	return nil
}

// field finds a field by name, or nil.
func (f *form) field(name string) *field {
	for _, x := range f.fields {
		if x.name == name {
			return x
		}
	}
	return nil
}

// takesFiles reports whether any field is a file.
func (f *form) takesFiles() bool {
	return slices.ContainsFunc(f.fields, func(x *field) bool { return x.kind == kindFile })
}

// allows reports whether a site may embed the form.
func (f *form) allows(origin string) bool { return slices.Contains(f.origins, origin) }

// choosing reports whether a value must be one of the options.
func (f *field) choosing() bool { return len(f.options) > 0 }

// optionLabel is how people read a value of a choice.
func (f *field) optionLabel(value, lang string) string {
	for _, o := range f.options {
		if o.value == value {
			return o.label[lang]
		}
	}
	return value
}
