package webform

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// theme is the accent of a form's pages as it is used: the configured colour,
// moved as far as people need to read it on a light and on a dark page.
type theme struct{ light, onLight, dark, onDark rgb }

type rgb struct{ r, g, b float64 } // 0 to 1

var (
	white = rgb{1, 1, 1}
	ink   = rgb{0.063, 0.071, 0.09} // #101217
	// What the accent stands on: the page of the light scheme and the panel of
	// the dark one, as in assets/form.css.
	lightPage = rgb{0.957, 0.961, 0.969} // #f4f5f7
	darkPanel = rgb{0.122, 0.133, 0.161} // #1f2229
)

// readable is the least contrast of text (WCAG 2.2, 1.4.3), with a little to
// spare for rounding.
const readable = 4.6

var hexColour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

func themeOf(accent string) (theme, error) {
	if !hexColour.MatchString(accent) {
		return theme{}, errors.New("must be a colour such as #1f5fd0")
	}
	n, _ := strconv.ParseUint(accent[1:], 16, 32) // six hex digits
	c := rgb{float64(n>>16&255) / 255, float64(n>>8&255) / 255, float64(n&255) / 255}
	t := theme{light: toward(c, ink, lightPage), dark: toward(c, white, darkPanel)}
	t.onLight, t.onDark = writingOn(t.light), writingOn(t.dark)
	return t, nil
}

// toward mixes a colour with another until it can be read on a ground.
func toward(c, end, ground rgb) rgb {
	for i := range 101 {
		mixed := mix(c, end, float64(i)/100).rounded()
		if contrast(mixed, ground) >= readable {
			return mixed
		}
	}
	return end
}

func writingOn(c rgb) rgb {
	if contrast(white, c) >= contrast(ink, c) {
		return white
	}
	return ink
}

func mix(a, b rgb, share float64) rgb {
	f := func(x, y float64) float64 { return x + (y-x)*share }
	return rgb{f(a.r, b.r), f(a.g, b.g), f(a.b, b.b)}
}

func (c rgb) rounded() rgb {
	f := func(x float64) float64 { return math.Round(x*255) / 255 }
	return rgb{f(c.r), f(c.g), f(c.b)}
}

// contrast is the contrast ratio of WCAG 2.2, 1 to 21.
func contrast(a, b rgb) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is the relative luminance of WCAG 2.2.
func (c rgb) luminance() float64 {
	f := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*f(c.r) + 0.7152*f(c.g) + 0.0722*f(c.b)
}

func (c rgb) String() string {
	f := func(v float64) int { return int(math.Round(v * 255)) }
	return fmt.Sprintf("#%02x%02x%02x", f(c.r), f(c.g), f(c.b))
}

// css sets the colours; everything else is in assets/form.css.
func (t theme) css() string {
	return fmt.Sprintf(":root{--accent:%s;--on-accent:%s}\n@media (prefers-color-scheme:dark){:root{--accent:%s;--on-accent:%s}}\n",
		t.light, t.onLight, t.dark, t.onDark)
}
