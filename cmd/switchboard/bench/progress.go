package bench

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress tells a person how far a run is: a bar on a terminal, else a line for
// each reading.
type progress struct {
	to  io.Writer
	bar *progressbar.ProgressBar
	on  bool // draw a bar
	txt string
	at  time.Time
}

func newProgress(c Common) *progress {
	if c.Screen == nil {
		return &progress{to: io.Discard}
	}
	return &progress{to: c.Screen, on: c.Bar}
}

// begin starts a reading of n steps. The returned function counts one step; it
// may be called by many goroutines.
func (p *progress) begin(n int, format string, args ...any) (step func()) {
	p.end()
	p.txt, p.at = fmt.Sprintf(format, args...), time.Now()
	if !p.on {
		return func() {}
	}
	p.bar = progressbar.NewOptions(n, progressbar.OptionSetWriter(p.to), progressbar.OptionSetDescription(fmt.Sprintf("%-44s", p.txt)),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetWidth(24), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(false))
	bar := p.bar
	return func() { _ = bar.Add(1) }
}

// end closes the reading that runs.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
	if p.txt != "" && !p.on {
		fmt.Fprintf(p.to, "%s: %.1f s\n", p.txt, time.Since(p.at).Seconds())
	}
	p.txt = ""
}
