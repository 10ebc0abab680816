package webform

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"switchboard/channels"
	"switchboard/pipeline/desk"
)

var _ channels.Canary = (*adapter)(nil)

// Canary is part of [channels.Canary]: a post to the JSON of the first form, with
// the canary in a header. Its fields are the config's, and a CAPTCHA or the time
// a person takes cannot be filled in by us; so the door takes the canary by its
// own signature before it reads the form.
func (a *adapter) Canary(ctx context.Context, base, text string) error {
	if len(a.site.forms) == 0 {
		return errors.New("webform: canary: the source has no form")
	}
	url := base + "/forms/" + a.Source.Name + "/" + a.site.forms[0].name + ".json"
	h := http.Header{"Content-Type": {"application/json"}, channels.CanaryHeader: {text}}
	if err := channels.CallCanary(ctx, url, h, []byte("{}")); err != nil {
		return fmt.Errorf("webform: canary: %w", err)
	}
	return nil
}

// takeCanary takes a post that is a canary of this house, and says whether it
// was one. Any other goes the way of every post.
func (a *adapter) takeCanary(w http.ResponseWriter, r *http.Request) bool {
	text := r.Header.Get(channels.CanaryHeader)
	if _, ok := desk.ReadCanary(a.Config.Secret, a.Source.Name, text); !ok {
		return false
	}
	if _, err := a.Sink.Submit(r.Context(), nil, desk.CanaryDraft(a.Source, text, a.Now())); err != nil {
		no := a.refused(r.Context(), err)
		http.Error(w, http.StatusText(no.status), no.status)
		return true
	}
	w.WriteHeader(http.StatusAccepted)
	return true
}
