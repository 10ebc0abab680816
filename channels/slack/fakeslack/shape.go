package fakeslack

// The shapes in which Slack tells things. The lock is held in all of them.

type object = map[string]any

func (f *Fake) shape(m *Message, metadata bool) object {
	o := object{"type": "message", "ts": m.TS, "text": m.Text, "channel": m.Channel}
	put := func(name, value string) {
		if value != "" {
			o[name] = value
		}
	}
	put("subtype", m.Subtype)
	put("thread_ts", m.ThreadTS)
	put("user", m.User)
	if m.User != "" && m.BotID == "" {
		u := f.users[m.User]
		put("team", f.o.TeamID)
		if u.Team != "" && u.Team != f.o.TeamID {
			put("user_team", u.Team)
			put("source_team", u.Team)
		}
		o["client_msg_id"] = "00000000-0000-4000-8000-" + m.TS[len(m.TS)-6:] + "000000"
	}
	if m.BotID != "" {
		put("bot_id", m.BotID)
		app := "AOTHER001"
		if m.BotID == BotID {
			app = f.o.AppID
		}
		put("app_id", app)
		o["bot_profile"] = object{"id": m.BotID, "app_id": app, "name": "a bot", "deleted": false}
	}
	if m.Edited != "" {
		o["edited"] = object{"user": m.User, "ts": m.Edited}
	}
	if len(m.Files) > 0 {
		var files []any
		for _, x := range m.Files {
			files = append(files, f.fileShape(x, x.InfoOnly))
		}
		o["files"] = files
	}
	if m.Text != "" {
		o["blocks"] = []any{object{"type": "rich_text", "block_id": "b" + m.TS[len(m.TS)-4:], "elements": []any{
			object{"type": "rich_text_section", "elements": []any{object{"type": "text", "text": m.Text}}}}}}
	}
	if metadata && m.Metadata != nil {
		o["metadata"] = m.Metadata
	}
	return o
}

func (f *Fake) fileShape(x *File, short bool) object {
	if short {
		return object{"id": x.ID, "file_access": "check_file_info"}
	}
	url := x.URL
	if url == "" {
		url = f.base + "/files-pri/" + f.o.TeamID + "-" + x.ID + "/" + x.Name
	}
	return object{"id": x.ID, "name": x.Name, "title": x.title(), "mimetype": x.Mimetype, "mode": "hosted", "is_external": false,
		"size": len(x.Bytes), "url_private": url, "url_private_download": url, "permalink": f.base + "/files/" + x.ID, "file_access": "visible"}
}

func (x *File) title() string {
	if x.Title != "" {
		return x.Title
	}
	return x.Name
}

func (f *Fake) userShape(u User) object {
	return object{"id": u.ID, "team_id": u.Team, "name": u.Name, "real_name": u.Name, "tz": u.TimeZone, "locale": u.Locale,
		"is_bot": u.Bot, "is_restricted": u.Guest, "is_stranger": u.Team != f.o.TeamID, "is_email_confirmed": u.Confirmed,
		"profile": object{"display_name": u.Name, "real_name": u.Name, "email": u.Email, "phone": u.Phone, "team": u.Team}}
}

// envelope wraps an event as the Events API sends it. In a shared channel the
// outer team is the author's, while the authorization names ours.
func (f *Fake) envelope(inner object, author string, shared bool) object {
	team := f.o.TeamID
	if u, ok := f.users[author]; ok && shared {
		team = u.Team
	}
	return object{"token": "unused", "team_id": team, "context_team_id": f.o.TeamID, "api_app_id": f.o.AppID, "type": "event_callback",
		"event_id": f.id("Ev"), "event_time": f.o.Now().Unix(), "is_ext_shared_channel": shared,
		"authorizations": []any{object{"enterprise_id": nil, "team_id": f.o.TeamID, "user_id": BotUser, "is_bot": true, "is_enterprise_install": false}},
		"event":          inner}
}
