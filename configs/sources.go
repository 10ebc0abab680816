package configs

import (
	"regexp"
	"slices"
	"strings"

	"switchboard/pipeline/desk"
)

// apiSource is the source every installation has: the REST API.
const apiSource = "api"

var sourceForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// sources compiles the sources and adds the built-in one.
func (k *compiler) sources() {
	at := place{"sources"}
	named(k, at, "name", "a source", k.c.Sources, func(s Source) string { return s.Name })
	owners := map[string]string{}
	for i := range k.c.Sources {
		s := &k.c.Sources[i]
		p := at.of(i)
		if s.Channel == "" && !k.written(p.of("channel")) && k.root != nil {
			k.path(p, "a source needs a channel%s", knownAre(channelNames()))
		}
		switch {
		case strings.TrimSpace(s.Name) != s.Name, s.Name == "": // refused as a name
		case !sourceForm.MatchString(s.Name):
			k.path(p.of("name"), "the name %s of a source must be lower-case letters, digits, _ and -, at most 64: it is part of addresses", quote(s.Name))
		case s.Name == apiSource && s.Channel != "" && s.Channel != desk.API:
			k.path(p.of("name"), "the name api belongs to the REST API; give this source another name")
		}
		refer(k, p.of("team"), "team", s.Team, k.teams)
		k.addresses(p.of("addresses"), s, owners)
		if s.Name != "" {
			k.p.Sources[s.Name] = desk.Source{Name: s.Name, Channel: s.Channel, Separate: s.Separate, Team: s.Team, Queue: s.Queue, Addresses: s.Addresses}
		}
	}
	if _, ok := k.p.Sources[apiSource]; !ok {
		k.p.Sources[apiSource] = desk.Source{Name: apiSource, Channel: desk.API}
	}
}

// addresses brings our own handles to the form in which they are compared and
// finds one that two sources of a channel claim.
func (k *compiler) addresses(p place, s *Source, owners map[string]string) {
	for j, a := range s.Addresses {
		a = desk.Handle(desk.IdentityKind(s.Channel), a)
		s.Addresses[j] = a
		if a == "" {
			if k.bare(p.of(j)) {
				k.path(p.of(j), "an address is empty")
			}
			continue
		}
		if s.Channel == desk.Email && !isAddress(a) {
			k.path(p.of(j), "%s is not a mail address", quote(a))
		}
		if slices.Index(s.Addresses, a) < j {
			k.path(p.of(j), "the address %s is there twice", quote(a))
			continue
		}
		id := string(s.Channel) + " " + a
		if owner, taken := owners[id]; taken && owner != s.Name {
			k.path(p.of(j), "the source %s has the address %s too", quote(owner), quote(a))
		}
		owners[id] = s.Name
	}
}
