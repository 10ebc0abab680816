package main

import (
	"fmt"

	"switchboard/channels"
	"switchboard/channels/chat"
	"switchboard/channels/email"
	"switchboard/channels/msteams"
	"switchboard/channels/slack"
	"switchboard/channels/webform"
	"switchboard/pipeline/desk"
)

// kinds lists every channel that is opened from a source in the config, in the
// order of the documentation. The API is always there: see channels/api.
var kinds = []channels.Kind{
	email.Kind(),
	slack.Kind(),
	msteams.Kind(),
	webform.Kind(),
	chat.Kind(),
}

// kindOf finds the recipe of a channel.
func kindOf(c desk.Channel) (channels.Kind, error) {
	for _, k := range kinds {
		if k.Channel == c {
			return k, nil
		}
	}
	return channels.Kind{}, fmt.Errorf("this version cannot open sources of channel %s", c)
}
