package configs

import (
	"net/netip"
	"time"
)

// Operators are who may log in to the pages about the machinery, such as
// /queues. Without any there are no such pages.
type Operators struct {
	Accounts       []Operator    `yaml:"accounts"`
	Session        time.Duration `yaml:"session" min:"1m" max:"720h"`
	PerAddress     Rate          `yaml:"perAddress"`     // logins tried from one address
	PerName        Rate          `yaml:"perName"`        // logins tried for one name
	TrustedProxies []string      `yaml:"trustedProxies"` // addresses and networks whose X-Forwarded-For is believed
}

// Operator is one of them. Password is its hash, as `switchboard password`
// prints it.
type Operator struct {
	Name     string `yaml:"name"`
	Password Secret `yaml:"password"`
}

// Proxies are the trusted proxies as networks. They were checked when the config
// was read.
func (o Operators) Proxies() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range o.TrustedProxies {
		if p, ok := network(s); ok {
			out = append(out, p)
		}
	}
	return out
}

// network reads an address or a network.
func network(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil
}

// operators checks that every operator has a name and a password of their own.
func (k *compiler) operators() {
	at := place{"operators", "accounts"}
	named(k, at, "name", "an operator", k.c.Operators.Accounts, func(o Operator) string { return o.Name })
	for i, o := range k.c.Operators.Accounts {
		if p := at.of(i, "password"); o.Password == "" && (!k.written(p) || k.bare(p)) {
			k.path(p, "an operator needs a password: the hash that `switchboard password` prints")
		}
	}
	for i, p := range k.c.Operators.TrustedProxies {
		if _, ok := network(p); !ok {
			k.path(place{"operators", "trustedProxies"}.of(i), "%s is not an address or a network such as 10.0.0.0/8", quote(p))
		}
	}
}
