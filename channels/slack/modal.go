package slack

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	slackgo "github.com/slack-go/slack"

	"switchboard/pipeline/desk"
)

// purpose travels with an open form and comes back with it ("Modals",
// private_metadata). Slack's signature vouches for it.
type purpose struct {
	Kind     string `json:"k"`
	Team     string `json:"w,omitempty"`
	Channel  string `json:"c,omitempty"`
	TS       string `json:"t,omitempty"` // of the message, when a ticket is made of one
	ThreadTS string `json:"h,omitempty"`
	User     string `json:"u,omitempty"` // the message's author, or who asked
	Text     string `json:"x,omitempty"` // the beginning of the message
}

// The purposes.
const (
	purposeForm    = "form"
	purposeMessage = "message"
)

// formCallback marks our form among the views of the app.
const formCallback = "switchboard_ticket"

// The inputs of the form.
const (
	inputTitle       = "title"
	inputDescription = "description"
	inputPriority    = "priority"
	inputAction      = "value"
)

const (
	maxTitle       = 250  // characters
	maxDescription = 3000 // characters; Slack's own limit of an input
	maxMetadata    = 3000 // bytes of private_metadata
)

// modal is the form of a new ticket. A ticket made of a message takes its
// description from there.
func modal(p purpose, title, description string) slackgo.ModalViewRequest {
	plain := func(s string) *slackgo.TextBlockObject {
		return slackgo.NewTextBlockObject(slackgo.PlainTextType, s, false, false)
	}
	input := func(name, label string, optional bool, e slackgo.BlockElement) slackgo.Block {
		b := slackgo.NewInputBlock(name, plain(label), nil, e)
		b.Optional = optional
		return b
	}
	line := slackgo.NewPlainTextInputBlockElement(plain("What is it about?"), inputAction)
	line.InitialValue, line.MaxLength = title, maxTitle
	blocks := []slackgo.Block{input(inputTitle, "Title", false, line)}
	if p.Kind == purposeForm {
		area := slackgo.NewPlainTextInputBlockElement(plain("What happened, and what did you expect?"), inputAction)
		area.Multiline, area.InitialValue, area.MaxLength = true, cutRunes(description, maxDescription), maxDescription
		blocks = append(blocks, input(inputDescription, "Description", true, area))
	}
	var options []*slackgo.OptionBlockObject
	for _, o := range []struct {
		value desk.Priority
		label string
	}{{desk.Low, "Low"}, {desk.Medium, "Medium"}, {desk.High, "High"}, {desk.Urgent, "Urgent"}} {
		options = append(options, slackgo.NewOptionBlockObject(string(o.value), plain(o.label), nil))
	}
	choice := slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeStatic, plain("Not said"), inputAction, options...)
	blocks = append(blocks, input(inputPriority, "Priority", true, choice))
	return slackgo.ModalViewRequest{
		Type: slackgo.VTModal, CallbackID: formCallback, PrivateMetadata: p.encode(),
		Title: plain("New ticket"), Submit: plain("Create"), Close: plain("Cancel"),
		Blocks: slackgo.Blocks{BlockSet: blocks},
	}
}

// encode makes the purpose fit: the text is cut until it does.
func (p purpose) encode() string {
	for {
		b, err := json.Marshal(p)
		if err != nil { // strings always marshal
			panic(err)
		}
		if len(b) <= maxMetadata || p.Text == "" {
			return string(b)
		}
		p.Text = desk.Cut(p.Text, len(p.Text)*3/4)
	}
}

func cutRunes(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}

// answers are what stands in a submitted form.
type answers struct {
	title, description string
	priority           desk.Priority
}

// digest tells answers apart.
func (x answers) digest() string {
	return desk.Fingerprint(x.title, x.description, string(x.priority))
}

// read takes the answers out of a view and says what is wrong with them, by
// input.
func (v *view) read() (answers, map[string]string) {
	get := func(name string) string {
		return strings.TrimSpace(desk.Clean(string(v.State.Values[name][inputAction].Value)))
	}
	x := answers{title: get(inputTitle), description: get(inputDescription)}
	wrong := map[string]string{}
	if x.title == "" {
		wrong[inputTitle] = "A title is needed."
	}
	x.title = strings.Join(strings.Fields(cutRunes(x.title, maxTitle)), " ")
	if p := string(v.State.Values[inputPriority][inputAction].Selected.Value); p != "" {
		priority, err := desk.ParsePriority(p)
		if err != nil {
			wrong[inputPriority] = "This is not a priority."
		}
		x.priority = priority
	}
	return x, wrong
}
