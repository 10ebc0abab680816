package chat

import (
	"encoding/json"

	"golang.org/x/text/encoding/htmlindex"
)

// mailgun is a route with the action forward() or store(): a form, with the
// whole mail in body-mime when the address ends in mime.
func mailgun() preset {
	return preset{
		doc: "inbound mail; signature.secret is the HTTP webhook signing key", scheme: "mailgun", mail: true,
		mapping: mapping{
			Mail: `body["body-mime"]`,
			ID:   `body["Message-Id"] ?? header(body["message-headers"], "Message-Id")`,
			From: `address(body.from ?? body.From ?? body.sender)`, FromName: `name(body.from ?? body.From)`,
			To: `body.To ?? body.recipient`, Subject: `body.subject ?? body.Subject`,
			Text: `body["body-plain"]`, HTML: `body["body-html"]`, SentAt: `body.Date`, Attachments: `files`,
			References: `join([body.References, body["In-Reply-To"]], " ")`,
			Spam:       `body["X-Mailgun-Sflag"] == "Yes"`,
		},
	}
}

// postmark is the inbound webhook; with "Include raw email" the mail itself.
func postmark() preset {
	return preset{
		doc: "inbound mail; user and password stand in the address (scheme basic)", scheme: "basic", mail: true,
		mapping: mapping{
			Mail: `body.RawEmail`,
			ID:   `header(body.Headers, "Message-ID") ?? body.MessageID`,
			From: `body.FromFull.Email ?? address(body.From)`, FromName: `body.FromFull.Name`,
			To: `body.To`, Subject: `body.Subject`, Text: `body.TextBody`, HTML: `body.HtmlBody`, SentAt: `body.Date`,
			Attachments: `body.Attachments`,
			References:  `join([header(body.Headers, "References"), header(body.Headers, "In-Reply-To")], " ")`,
			Spam:        `header(body.Headers, "X-Spam-Status") == "Yes"`,
		},
	}
}

// sendgrid is the Inbound Parse webhook, raw or parsed. Its fields have charsets
// of their own.
func sendgrid() preset {
	return preset{
		doc: "inbound mail; user and password stand in the address (scheme basic), or the scheme sendgrid with a public key", scheme: "basic", mail: true,
		prepare: recode,
		mapping: mapping{
			Mail: `body.email`,
			ID:   `header(body.headers, "Message-ID")`,
			From: `address(body.from)`, FromName: `name(body.from)`, To: `body.to`, Subject: `body.subject`,
			Text: `body.text`, HTML: `body.html`, SentAt: `header(body.headers, "Date")`, Attachments: `files`,
			References: `join([header(body.headers, "References"), header(body.headers, "In-Reply-To")], " ")`,
			Spam:       `number(body.spam_score) >= 5`,
		},
	}
}

// recode turns the fields of an Inbound Parse form into UTF-8, as its field
// charsets says.
func recode(d *decoded) {
	body, ok := d.body.(map[string]any)
	list, is := at(d.body, "charsets").(string)
	if !ok || !is {
		return
	}
	var charsets map[string]string
	if json.Unmarshal([]byte(list), &charsets) != nil {
		return
	}
	for name, charset := range charsets {
		text, ok := body[name].(string)
		if !ok {
			continue
		}
		if e, err := htmlindex.Get(charset); err == nil {
			if s, err := e.NewDecoder().String(text); err == nil {
				body[name] = s
			}
		}
	}
}

// mandrill is the inbound webhook of Mandrill: several mails in one request,
// each with its source.
func mandrill() preset {
	return preset{
		doc: "inbound mail; signature.secret is the key of the webhook, url the address as it stands there", scheme: "mandrill", mail: true,
		mapping: mapping{
			BodyField: "mandrill_events", Each: "body[]",
			Ignore: `item.event == "inbound" ? "" : "the event " + string(item.event)`,
			Mail:   `item.msg.raw_msg`,
			ID:     `header(item.msg.headers, "Message-Id")`,
			From:   `item.msg.from_email`, FromName: `item.msg.from_name`, To: `item.msg.email`, Subject: `item.msg.subject`,
			Text: `item.msg.text`, HTML: `item.msg.html`, SentAt: `header(item.msg.headers, "Date") ?? item.ts`,
			Attachments: `item.msg.attachments`,
			References:  `join([header(item.msg.headers, "References"), header(item.msg.headers, "In-Reply-To")], " ")`,
			Spam:        `number(item.msg.spam_report.score) >= 5`,
		},
	}
}

// cloudmailin is CloudMailin in any of its formats: JSON, multipart and raw.
func cloudmailin() preset {
	return preset{
		doc: "inbound mail; user and password stand in the address (scheme basic)", scheme: "basic", mail: true,
		mapping: mapping{
			Mail: `body.message`,
			ID:   `header(body.headers, "Message-ID")`,
			From: `address(header(body.headers, "From") ?? body.envelope.from)`, FromName: `name(header(body.headers, "From"))`,
			To: `header(body.headers, "To") ?? body.envelope.to`, Subject: `header(body.headers, "Subject")`,
			Text: `body.plain`, HTML: `body.html`, SentAt: `header(body.headers, "Date")`,
			Attachments: `len(files) > 0 ? files : body.attachments`,
			References:  `join([header(body.headers, "References"), header(body.headers, "In-Reply-To")], " ")`,
			Spam:        `body.envelope.spf.result == "fail"`,
		},
	}
}
