package msteams

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"golang.org/x/net/html"

	"switchboard/channels/markup"
	"switchboard/pipeline/desk"
)

const typeHTML = "text/html"

// html returns the formatted form of the message that Teams puts beside the
// text, "" if there is none.
func (a *activity) html() string {
	for _, f := range a.Attachments {
		if !strings.EqualFold(string(f.ContentType), typeHTML) {
			continue
		}
		var s string
		if json.Unmarshal(f.Content, &s) == nil && strings.TrimSpace(s) != "" {
			return desk.Clean(s)
		}
	}
	return ""
}

// words is what the sender wrote, as Markdown, and the messages it quotes.
// Mentions are found by their entities: those of the bot are taken out, those of
// people become @name. A text that was nothing but the bot's mention keeps it.
func (a *activity) words() (text string, quotes []string) {
	mentions := a.mentions()
	if formatted := a.html(); formatted != "" {
		formatted, quotes = a.rewrite(formatted, mentions)
		text = markup.FromHTML(formatted)
	} else {
		text = string(a.Text)
		for _, m := range mentions {
			if m.Text != "" {
				text = strings.Replace(text, string(m.Text), a.spoken(m), 1)
			}
		}
		if strings.EqualFold(string(a.TextFormat), "xml") {
			text = markup.FromHTML(text)
		}
	}
	text = strings.TrimSpace(strings.ReplaceAll(text, "\u00a0", " "))
	if text == "" && sets(a.Value) {
		text = form(a.Value)
	}
	if text == "" && len(mentions) > 0 {
		text = "@" + name(mentions[0])
	}
	return desk.Clean(text), append(quotes, a.references()...)
}

// form shows what a card's form was filled in with.
func form(value json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, value, "", "  ") != nil {
		return ""
	}
	return "```json\n" + strings.ReplaceAll(b.String(), "```", "'''") + "\n```"
}

// maxMentions bounds the mentions looked for in one message.
const maxMentions = 200

// mentions are the entities that name somebody, in their order: the markup in
// the formatted text refers to them by number.
func (a *activity) mentions() []entity {
	var out []entity
	for _, e := range a.Entities {
		if strings.EqualFold(string(e.Type), "mention") && len(out) < maxMentions {
			out = append(out, e)
		}
	}
	return out
}

// mentionsBot says yes or no; "" in a chat with the bot alone.
func (a *activity) mentionsBot() string {
	if a.Conversation.Type == typePersonal || a.Conversation.Type == "" {
		return ""
	}
	for _, m := range a.mentions() {
		if a.isBot(m) {
			return "yes"
		}
	}
	return "no"
}

func (a *activity) isBot(m entity) bool {
	return m.Mentioned.ID != "" && m.Mentioned.ID == a.Recipient.ID
}

// spoken is what stands for a mention in the text.
func (a *activity) spoken(m entity) string {
	if a.isBot(m) {
		return ""
	}
	return "@" + name(m)
}

func name(m entity) string {
	if m.Mentioned.Name != "" {
		return string(m.Mentioned.Name)
	}
	z := html.NewTokenizer(strings.NewReader(string(m.Text)))
	var b strings.Builder
	for {
		switch z.Next() {
		case html.ErrorToken:
			return strings.TrimSpace(b.String())
		case html.TextToken:
			b.Write(z.Text())
		}
	}
}

// rewrite replaces the mention elements of the formatted text and drops pictures
// that come as attachments as well. It reads tokens, not a tree, so that nesting
// costs nothing. A mention element that never ends is left as it is.
func (a *activity) rewrite(src string, mentions []entity) (out string, quotes []string) {
	pictures := map[string]bool{}
	for _, f := range a.Attachments {
		if isPicture(f) {
			pictures[string(f.ContentURL)] = true
		}
	}
	var b strings.Builder
	inside, depth := "", 0 // the mention element being passed over
	z := html.NewTokenizer(strings.NewReader(src))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		raw := string(z.Raw())
		if inside != "" {
			if tag, _ := z.TagName(); string(tag) == inside {
				switch kind {
				case html.StartTagToken:
					depth++
				case html.EndTagToken:
					depth--
				}
			}
			if depth == 0 {
				inside = ""
			}
			continue
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			b.WriteString(raw)
			continue
		}
		tag, attributes := element(z)
		switch m, ok := mentioned(tag, attributes, mentions); {
		case ok && kind == html.StartTagToken:
			inside, depth = tag, 1
			b.WriteString(html.EscapeString(a.spoken(m)))
		case tag == "img" && pictures[attributes["src"]]:
		default:
			if tag == "blockquote" && strings.HasSuffix(attributes["itemtype"], "/Reply") && attributes["itemid"] != "" {
				quotes = append(quotes, desk.Clean(attributes["itemid"]))
			}
			b.WriteString(raw)
		}
	}
	if inside != "" {
		return src, quotes
	}
	return b.String(), quotes
}

func element(z *html.Tokenizer) (tag string, attributes map[string]string) {
	t, more := z.TagName()
	tag, attributes = string(t), map[string]string{}
	for more {
		var k, v []byte
		k, v, more = z.TagAttr()
		if _, twice := attributes[string(k)]; !twice {
			attributes[string(k)] = string(v)
		}
	}
	return tag, attributes
}

// mentioned finds the entity a mention element refers to: <at id="0"> or
// <span itemtype="http://schema.skype.com/Mention" itemid="0">.
func mentioned(tag string, attributes map[string]string, mentions []entity) (entity, bool) {
	var id string
	switch {
	case tag == "at":
		id = attributes["id"]
	case tag == "span" && strings.HasSuffix(attributes["itemtype"], "/Mention"):
		id = attributes["itemid"]
	default:
		return entity{}, false
	}
	n, err := strconv.Atoi(id)
	switch {
	case err == nil && n >= 0 && n < len(mentions):
		return mentions[n], true
	case id == "" && len(mentions) == 1:
		return mentions[0], true
	}
	return entity{}, false
}

// references are the messages that attachments of the kind messageReference
// quote.
func (a *activity) references() []string {
	var out []string
	for _, f := range a.Attachments {
		if !strings.EqualFold(string(f.ContentType), "messageReference") {
			continue
		}
		content := f.Content
		var text string
		if json.Unmarshal(content, &text) == nil { // JSON in a JSON string
			content = json.RawMessage(text)
		}
		var ref struct {
			MessageID loose `json:"messageId"`
		}
		if json.Unmarshal(content, &ref) == nil && ref.MessageID != "" {
			out = append(out, string(ref.MessageID))
		}
	}
	return out
}
