package desk

import "time"

// length is a length of time: whole seconds, negative ones too, and nanoseconds
// in addition, 0 to 999 999 999. It is longer than a time.Duration can be.
type length struct{ seconds, nanos int64 }

const second = int64(time.Second)

func secondsOf(d time.Duration) length {
	return length{int64(d) / second, int64(d) % second}.even()
}

// lengthOf is what lies between two instants, by their dates.
func lengthOf(t, since time.Time) length {
	return length{t.Unix() - since.Unix(), int64(t.Nanosecond() - since.Nanosecond())}.even()
}

// even makes nanoseconds between -1e9 and 1e9 positive.
func (l length) even() length {
	if l.nanos < 0 {
		l.seconds, l.nanos = l.seconds-1, l.nanos+second
	}
	return l
}

// duration is false where a time.Duration cannot be that long.
func (l length) duration() (time.Duration, bool) {
	d := time.Duration(l.seconds*second + l.nanos)
	return d, secondsOf(d) == l
}

// after is the instant that much after t, in UTC; false outside the years that
// texts show.
func (l length) after(t time.Time) (time.Time, bool) {
	at := time.Unix(t.Unix()+l.seconds, int64(t.Nanosecond())+l.nanos).UTC()
	return at, inYears(at.Unix())
}

// seconds appends a length as a JSON number of seconds, with the digits behind
// the point that it needs.
func (w *jsonWriter) seconds(l length) {
	if l.seconds < 0 {
		w.b = append(w.b, '-')
		if l.seconds = -l.seconds; l.nanos > 0 {
			l.seconds, l.nanos = l.seconds-1, second-l.nanos
		}
	}
	w.number(l.seconds)
	if l.nanos == 0 {
		return
	}
	w.b = append(w.b, '.')
	for unit := second / 10; l.nanos > 0; unit /= 10 {
		w.b = append(w.b, '0'+byte(l.nanos/unit))
		l.nanos %= unit
	}
}

// maxSeconds is longer than all years that texts show.
const maxSeconds = 1 << 40

// seconds reads a number of seconds without an exponent and with at most nine
// digits behind the point.
func (r *jsonReader) seconds(into *length) bool {
	negative := r.at < len(r.text) && r.text[r.at] == '-'
	var l length
	if !r.number(&l.seconds) || l.seconds > maxSeconds || l.seconds < -maxSeconds {
		return false
	}
	if r.next('.') {
		unit := second
		for r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' && unit > 1 {
			unit /= 10
			l.nanos += int64(r.text[r.at]-'0') * unit
			r.at++
		}
		if unit == second {
			return false
		}
	}
	if negative {
		l.nanos = -l.nanos
	}
	*into = l.even()
	return true
}
