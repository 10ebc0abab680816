package configs

import (
	"net/url"
	"strings"
	"time"
)

// Canary is the synthetic messages that show whether real ones come through.
type Canary struct {
	Every   time.Duration `yaml:"every" max:"24h"`              // between two of a source; 0: none are sent
	Timeout time.Duration `yaml:"timeout" min:"100ms" max:"1h"` // then one has failed
	Keep    time.Duration `yaml:"keep" max:"720h"`              // they stay in the ledger this long
	URL     string        `yaml:"url"`                          // where our own doors are called; empty: where this process listens
}

// canary checks that canaries of a source do not overlap.
func (k *compiler) canary() {
	c := &k.c.Canary
	at := place{"canary"}
	if c.Every > 0 && c.Every < 100*time.Millisecond {
		k.path(at.of("every"), "every must be 0 or at least 100ms")
	}
	if c.Every > 0 && c.Timeout > c.Every {
		k.path(at.of("timeout"), "timeout must not be longer than every: a canary would be cleared away by the next")
	}
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			k.path(at.of("url"), "url must be an address such as https://desk.example.com")
		}
		c.URL = strings.TrimRight(c.URL, "/")
	}
}
