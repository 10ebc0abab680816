package letter

// Limits bound what one mail may cost. A zero or negative field means its
// default. What lies beyond a limit is kept raw as an attachment or cut, and
// noted in Letter.Damage; it never fails the mail.
type Limits struct {
	Depth       int   `json:"depth" yaml:"depth"`             // multiparts inside multiparts
	Parts       int   `json:"parts" yaml:"parts"`             // parts of one mail, containers included
	HeaderBytes int64 `json:"headerBytes" yaml:"headerBytes"` // one header block
	TextBytes   int64 `json:"textBytes" yaml:"textBytes"`     // all body text held in memory, undecoded
	PartBytes   int64 `json:"partBytes" yaml:"partBytes"`     // one decoded attachment
}

// DefaultLimits are generous for people and tight for attackers: depth 20,
// 500 parts, 256 KB of header, 1 MB of text, 64 MB for one attachment.
func DefaultLimits() Limits {
	return Limits{Depth: 20, Parts: 500, HeaderBytes: 256 << 10, TextBytes: 1 << 20, PartBytes: 64 << 20}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.Depth <= 0 {
		l.Depth = d.Depth
	}
	if l.Parts <= 0 {
		l.Parts = d.Parts
	}
	if l.HeaderBytes <= 0 {
		l.HeaderBytes = d.HeaderBytes
	}
	if l.TextBytes <= 0 {
		l.TextBytes = d.TextBytes
	}
	if l.PartBytes <= 0 {
		l.PartBytes = d.PartBytes
	}
	return l
}

// Bounds that no deployment needs to move.
const (
	maxAddresses = 1000     // of one header
	maxIDs       = 100      // of In-Reply-To or References
	maxID        = 998      // bytes of one message ID, RFC 5322 2.1.1
	maxSubject   = 16 << 10 // bytes
	maxHeader    = 2 << 10  // bytes of one kept header value
	maxName      = 255      // bytes of a file name
	maxReport    = 64 << 10 // bytes of a delivery report that are read
	maxFailed    = 200      // recipients of one report
	maxMarkdown  = 384 << 10
)
