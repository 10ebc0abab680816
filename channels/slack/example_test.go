package slack

import (
	"path/filepath"
	"testing"
	"time"

	"switchboard/configs"
	"switchboard/pipeline/desk"
)

// TestExampleBlock: the block in the example file is good, and says what the
// defaults are.
func TestExampleBlock(t *testing.T) {
	c, err := configs.Load(filepath.Join("..", "..", "configs", "example.yaml"), func(string) (string, bool) { return "s3cret", true })
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Sources {
		if s.Channel != desk.Slack {
			continue
		}
		got, err := load(s.Block)
		if err != nil {
			t.Fatal(err)
		}
		want := defaults()
		if got.SigningSecret != "s3cret" || got.BotToken != "s3cret" || got.APIURL != want.APIURL || got.Mode != want.Mode || got.Window != 2*time.Minute ||
			got.Emoji.Create != want.Emoji.Create || len(got.Emoji.Statuses) != 2 || got.Emoji.Statuses["eyes"] != desk.StatusInProgress || got.Command != want.Command ||
			got.Shortcut != want.Shortcut || got.BodyBytes != want.BodyBytes || got.FileBytes != want.FileBytes || got.SignatureWindow != want.SignatureWindow {
			t.Errorf("%+v", got)
		}
		if len(got.Channels) != 2 || got.Channels[0].Team != "field" || got.Channels[1].Mode != modeMention || len(got.Staff) != 2 {
			t.Errorf("%+v", got)
		}
		return
	}
	t.Error("the example has no Slack source")
}
