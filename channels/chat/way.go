package chat

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
)

// way is how to get to the messages of a body: names joined by dots, with [] where
// a list is taken apart, as in body.entry[].changes[].value.messages[].
type way struct{ steps []step }

type step struct {
	name string
	list bool
}

// spot is a message where it was found.
type spot struct {
	item any
	up   []any // the items of the lists it stands in, nearest first
}

func parseWay(s string) (*way, error) {
	if s == "" {
		return nil, nil
	}
	rest, ok := strings.CutPrefix(s, "body")
	if !ok || !strings.HasSuffix(s, "[]") || len(s) > 500 {
		return nil, errors.New("must be a way such as body.messages[]")
	}
	p := &way{}
	for i, part := range strings.Split(rest, ".") {
		name, list := strings.CutSuffix(part, "[]")
		if strings.ContainsAny(name, "[] \t") || (name == "") != (i == 0) {
			return nil, errors.New("must be a way such as body.messages[]: names, dots and []")
		}
		p.steps = append(p.steps, step{name, list})
	}
	return p, nil
}

// walk collects the messages in the order of the body. Where the way ends early
// there are none; where a list should be and something else is, the body is
// malformed.
func (p *way) walk(body any, limit int) ([]spot, error) {
	spots := []spot{{item: body}}
	for _, s := range p.steps {
		var next []spot
		for _, x := range spots {
			item := x.item
			if s.name != "" {
				item = at(item, s.name)
			}
			switch list, ok := item.([]any); {
			case item == nil:
			case !s.list:
				next = append(next, spot{item, x.up})
			case !ok:
				return nil, broken("%s must be a list, not %s", s.name, kindOf(item))
			default:
				for _, e := range list {
					if len(next) >= limit {
						return nil, &malformed{fmt.Sprintf("there are more than %d messages in it", limit), refusedMany}
					}
					up := x.up
					if x.item != nil && len(p.steps) > 1 {
						up = append([]any{x.item}, x.up...)
					}
					next = append(next, spot{e, up})
				}
			}
		}
		spots = next
	}
	return spots, nil
}

// mailDate is the date of a mail header.
func mailDate(s string) (time.Time, error) { return mail.ParseDate(s) }
