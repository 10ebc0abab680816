package configs

import (
	"maps"
	"reflect"
	"slices"

	"switchboard/pipeline/desk"
)

// rules compiles the rules.
func (k *compiler) rules() {
	at := place{"rules"}
	named(k, at, "name", "a rule", k.c.Rules, func(r Rule) string { return r.Name })
	for i := range k.c.Rules {
		r := &k.c.Rules[i]
		p := at.of(i)
		if r.On == "" {
			r.On = desk.OnCreated
		}
		k.action(p, &r.Then, r.Stop)
		k.p.Rules = append(k.p.Rules, desk.Rule{Name: r.Name, On: r.On, When: k.condition(p.of("when"), r.When), Then: r.Then, Stop: r.Stop})
	}
}

// action checks what a rule does and brings its words to their form.
func (k *compiler) action(rule place, a *desk.Action, stop bool) {
	p := rule.of("then")
	if reflect.ValueOf(*a).IsZero() && !stop && !k.unread(p) {
		k.path(rule, "a rule needs a then: with something to do, or stop: true")
	}
	if a.Type != "" {
		a.Type = upperSnake(a.Type)
		refer(k, p.of("type"), "type", a.Type, k.c.Types)
	}
	if a.Status != "" {
		a.Status = upperSnake(a.Status)
		refer(k, p.of("status"), "status", a.Status, namesOf(k.c.Statuses, func(s desk.StatusDef) desk.Status { return s.Name }))
	}
	refer(k, p.of("team"), "team", a.Team, k.teams)
	refer(k, p.of("agent"), "agent", a.Agent, k.agents)
	if a.Escalate < 0 {
		k.path(p.of("escalate"), "escalate must not be negative")
	}
	if a.Drop != "" && a.Hold != "" {
		k.key(p.of("hold"), "a message can be dropped or held, not both")
	}
	for _, key := range []string{"tags", "untag"} {
		for i, tag := range map[string][]string{"tags": a.Tags, "untag": a.Untag}[key] {
			if q := p.of(key, i); tag == "" && k.bare(q) {
				k.path(q, "a tag is empty")
			}
		}
	}
	names := namesOf(k.c.Fields, func(f desk.Field) string { return f.Name })
	for _, name := range slices.Sorted(maps.Keys(a.Fields)) {
		q := p.of("fields", name)
		if !slices.Contains(names, name) {
			k.key(q, "there is no field %s%s", quote(name), hint(name, names))
			continue
		}
		k.value(q, name, a.Fields[name])
	}
}

// routes compiles the routes.
func (k *compiler) routes() {
	at := place{"routes"}
	named(k, at, "name", "a route", k.c.Routes, func(r Route) string { return r.Name })
	for i, r := range k.c.Routes {
		p := at.of(i)
		if r.Team == "" && (!k.written(p.of("team")) || k.bare(p.of("team"))) {
			k.path(p, "a route needs a team")
		}
		refer(k, p.of("team"), "team", r.Team, k.teams)
		k.p.Routes = append(k.p.Routes, desk.Route{Name: r.Name, When: k.condition(p.of("when"), r.When), Team: r.Team})
	}
}
