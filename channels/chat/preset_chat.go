package chat

import (
	"encoding/json"
	"io"
	"net/http"
)

// telegram is the Bot API ("Update", "Message", setWebhook). An edited message
// comes as an update of its own.
func telegram() preset {
	return preset{
		doc: "a bot; signature.secret is the secret_token of setWebhook", scheme: "telegram", space: "telegram",
		carry: "telegram", media: telegramFile,
		mapping: mapping{
			Item: `body.message ?? body.edited_message ?? body.business_message ?? body.edited_business_message`,
			Ignore: `item == nil ? "an update of another kind" : item.from.is_bot == true ? "a bot wrote it"
				: item.text == nil and item.caption == nil and item.document == nil and item.photo == nil and item.voice == nil
				and item.video == nil and item.audio == nil and item.location == nil and item.contact == nil and item.sticker == nil
				and item.video_note == nil and item.poll == nil and item.dice == nil ? "nobody said anything" : ""`,
			ID:       `(body.message ?? body.business_message) != nil ? string(item.chat.id) + ":" + string(item.message_id) : "update:" + string(body.update_id)`,
			Target:   `(body.message ?? body.business_message) != nil ? "" : string(item.chat.id) + ":" + string(item.message_id)`,
			Act:      `(body.message ?? body.business_message) != nil ? "" : "edit"`,
			Thread:   `string(item.chat.id) + (item.message_thread_id == nil ? "" : ":" + string(item.message_thread_id))`,
			From:     `item.from.id ?? item.sender_chat.id`,
			FromName: `join([item.from.first_name, item.from.last_name], " ")`,
			Language: `item.from.language_code`,
			Text: `item.text ?? item.caption ?? (item.location != nil ? "Location: " + string(item.location.latitude) + ", " + string(item.location.longitude)
				: item.contact != nil ? "Contact: " + join([item.contact.first_name, item.contact.last_name, item.contact.phone_number], " ")
				: item.sticker.emoji ?? item.poll.question ?? item.dice.emoji ?? "")`,
			SentAt:      `item.edit_date ?? item.date`,
			References:  `item.reply_to_message == nil ? "" : string(item.chat.id) + ":" + string(item.reply_to_message.message_id)`,
			Attachments: `[item.document, last(item.photo), item.voice, item.video, item.audio, item.video_note, item.sticker]`,
			Address:     `{"chat": item.chat.id, "message": item.message_id, "topic": item.message_thread_id, "business": item.business_connection_id}`,
		},
	}
}

// whatsapp is the Cloud API ("Webhooks", messages). Notes of delivery hold no
// messages and are nothing for a ticket. What a customer sends and the service or
// this page has no words for ("unsupported", an order) is a message that says so.
func whatsapp() preset {
	return preset{
		doc: "the Cloud API; signature.secret is the app secret, verifyToken that of the subscription", scheme: "meta", space: "whatsapp",
		carry: "whatsapp", media: whatsappFile, hosts: []string{"lookaside.fbsbx.com"},
		mapping: mapping{
			Each:     `body.entry[].changes[].value.messages[]`,
			Ignore:   `string(item.type) in ["reaction", "system", "request_welcome"] ? "a message of the type " + item.type : ""`,
			ID:       `item.id`,
			Thread:   `string(up[0].metadata.phone_number_id) + ":" + string(item.from)`,
			From:     `item.from`,
			FromName: `where(up[0].contacts, "wa_id", item.from).profile.name`,
			Phone:    `"+" + string(item.from)`,
			Text: `item.text.body ?? item.button.text ?? item.interactive.button_reply.title ?? item.interactive.list_reply.title
				?? item.interactive.nfm_reply.response_json ?? item.order.text
				?? item.image.caption ?? item.video.caption ?? item.document.caption
				?? (item.location != nil ? "Location: " + string(item.location.latitude) + ", " + string(item.location.longitude)
				: item.contacts != nil ? "Contact: " + join([first(item.contacts).name.formatted_name, first(first(item.contacts).phones).phone], " ")
					+ (len(item.contacts) > 1 ? " (and others, which the request has)" : "")
				: item.type == nil or (item.image ?? item.document ?? item.audio ?? item.video ?? item.sticker) != nil ? ""
				: "(a message of the type " + string(item.type) + ", which cannot be shown as text)")`,
			SentAt:      `item.timestamp`,
			References:  `item.context.id`,
			Attachments: `[item.image, item.document, item.audio, item.video, item.sticker]`,
			Address:     `{"phone": up[0].metadata.phone_number_id, "to": item.from, "message": item.id}`,
		},
	}
}

// twilio is an SMS ("Twilio's request to your Messaging Webhook URL").
func twilio() preset {
	return preset{
		doc: "SMS; signature.secret is the auth token, url the address Twilio calls", scheme: "twilio", space: "phone",
		carry: "twilio-sms", hosts: []string{"api.twilio.com", "*.twiliocdn.com"},
		mapping: mapping{
			ID: `body.MessageSid ?? body.SmsSid`, Thread: `string(body.To) + ":" + string(body.From)`, From: `body.From`, Phone: `body.From`,
			Text: `body.Body`,
			Attachments: `[{"url": body.MediaUrl0, "type": body.MediaContentType0}, {"url": body.MediaUrl1, "type": body.MediaContentType1},
				{"url": body.MediaUrl2, "type": body.MediaContentType2}, {"url": body.MediaUrl3, "type": body.MediaContentType3},
				{"url": body.MediaUrl4, "type": body.MediaContentType4}, {"url": body.MediaUrl5, "type": body.MediaContentType5},
				{"url": body.MediaUrl6, "type": body.MediaContentType6}, {"url": body.MediaUrl7, "type": body.MediaContentType7},
				{"url": body.MediaUrl8, "type": body.MediaContentType8}, {"url": body.MediaUrl9, "type": body.MediaContentType9}]`,
			Address: `{"to": body.From, "from": body.To}`,
		},
		reply: func(w http.ResponseWriter, _ int) {
			w.Header().Set("Content-Type", "text/xml")
			_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Response></Response>`)
		},
	}
}

// intercom is the topics conversation.user.created and conversation.user.replied.
func intercom() preset {
	const part = `last(body.data.item.conversation_parts.conversation_parts)`
	return preset{
		doc: "conversations; signature.secret is the client secret of the app", scheme: "intercom", space: "intercom",
		carry: "intercom", hosts: []string{"*.intercomcdn.com"},
		ping: func(body any) bool { return at(body, "topic") == "ping" },
		mapping: mapping{
			Item:   part + ` ?? body.data.item.source`,
			Ignore: `body.topic in ["conversation.user.created", "conversation.user.replied"] ? "" : "the topic " + string(body.topic)`,
			ID:     `item.id ?? body.data.item.id`, Thread: `body.data.item.id`,
			From: `item.author.id`, FromName: `item.author.name`, Email: `item.author.email`,
			Subject: `body.topic == "conversation.user.created" ? item.subject : ""`, HTML: `item.body`,
			SentAt:      `item.created_at ?? body.data.item.created_at ?? body.created_at`,
			Attachments: `item.attachments`,
			Address:     `{"conversation": body.data.item.id}`,
		},
	}
}

// crisp is the Plugin or website web hooks message:send, message:updated and
// message:removed; what operators say comes as message:received and is ours.
func crisp() preset {
	return preset{
		doc: "website chat; signature.secret is the hook's signing secret", scheme: "crisp", space: "crisp",
		carry: "crisp", hosts: []string{"storage.crisp.chat"},
		mapping: mapping{
			Item: `body.data`,
			Ignore: `body.event == "message:send" and item.from == "user" or body.event in ["message:updated", "message:removed"] ? ""
				: "the event " + string(body.event)`,
			ID: `body.event == "message:send" ? string(item.session_id) + ":" + string(item.fingerprint)
				: string(body.event) + ":" + string(item.fingerprint) + ":" + string(body.timestamp)`,
			Act:    `body.event == "message:updated" ? "edit" : body.event == "message:removed" ? "delete" : ""`,
			Target: `body.event == "message:send" ? "" : string(item.session_id) + ":" + string(item.fingerprint)`,
			Thread: `item.session_id`, From: `item.user.user_id ?? item.session_id`, FromName: `item.user.nickname`,
			Text:        `item.type == "text" or body.event == "message:updated" ? item.content : item.type == "file" ? "" : item.content.text`,
			SentAt:      `item.timestamp ?? body.timestamp`,
			Attachments: `item.type == "file" or item.type == "audio" ? item.content : nil`,
			Address:     `{"website": item.website_id ?? body.website_id, "session": item.session_id}`,
		},
	}
}

// chatwoot is an account's web hook: message_created and message_updated.
// Chatwoot signs nothing in most versions: put ?token= on the address.
func chatwoot() preset {
	return preset{
		doc: "an account's webhook; signature.secret is what stands after ?token= of the address", scheme: "query", space: "chatwoot",
		carry: "chatwoot",
		mapping: mapping{
			Item: `body`,
			Ignore: `(body.event == "message_created" or body.event == "message_updated") and body.message_type in ["incoming", 0] and body.private != true ? ""
				: "the event " + string(body.event) + " of a message that is " + string(body.message_type)`,
			ID: `body.event == "message_created" ? string(body.conversation.id) + ":" + string(body.id)
				: string(body.event) + ":" + string(body.id) + ":" + string(body.updated_at ?? body.content)`,
			Act:    `body.event == "message_created" ? "" : body.content_attributes.deleted == true ? "delete" : "edit"`,
			Target: `body.event == "message_created" ? "" : string(body.conversation.id) + ":" + string(body.id)`,
			Thread: `body.conversation.id`, From: `body.sender.id`, FromName: `body.sender.name`, Email: `body.sender.email`, Phone: `body.sender.phone_number`,
			Text: `body.content`, SentAt: `body.created_at`, Attachments: `body.attachments`,
			Address: `{"account": body.account.id, "conversation": body.conversation.id}`,
		},
	}
}

// discord is the interactions endpoint: a slash command or a form brings the
// words ("Receiving and Responding to Interactions"). A person in a channel is
// one conversation.
func discord() preset {
	return preset{
		doc: "slash commands; signature.publicKey is that of the application", scheme: "discord", space: "discord",
		carry: "discord", hosts: []string{"cdn.discordapp.com"},
		ping: func(body any) bool { return at(body, "type") == 1 },
		shake: func(w http.ResponseWriter, body any) bool {
			if at(body, "type") != 1 {
				return false
			}
			tell(w, map[string]any{"type": 1})
			return true
		},
		reply: func(w http.ResponseWriter, n int) {
			words := "Thank you. We answer here."
			if n == 0 {
				words = "There is nothing here for us."
			}
			tell(w, map[string]any{"type": 4, "data": map[string]any{"content": words, "flags": 64}})
		},
		mapping: mapping{
			Ignore:   `body.type in [2, 5] ? "" : "an interaction of another type"`,
			ID:       `body.id`,
			Thread:   `string(body.channel_id) + ":" + string(body.member.user.id ?? body.user.id)`,
			From:     `body.member.user.id ?? body.user.id`,
			FromName: `body.member.nick ?? body.member.user.global_name ?? body.member.user.username ?? body.user.global_name ?? body.user.username`,
			Language: `body.locale`,
			Text: `where(body.data.options, "type", 3).value ?? first(first(body.data.components).components).value
				?? first(first(body.data.options).options).value`,
			Attachments: `body.data.resolved.attachments`,
			Address:     `{"channel": body.channel_id, "user": body.member.user.id ?? body.user.id}`,
		},
	}
}

func tell(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
