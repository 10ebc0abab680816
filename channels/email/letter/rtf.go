package letter

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// rtfStart is the text that the dictionary of compressed RTF begins with
// ([MS-OXRTFCP] 2.1.2.1).
const rtfStart = `{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0` +
	"\r\n" + `\par \pard\plain\f0\fs20\b\i\u\tab\tx`

// unpackRTF undoes the compression of [MS-OXRTFCP]; nil if raw is broken.
func unpackRTF(raw []byte) []byte {
	if len(raw) < 16 {
		return nil
	}
	size := binary.LittleEndian.Uint32(raw[4:])
	kind := string(raw[8:12])
	raw = raw[16:]
	if kind == "MELA" {
		return raw[:min(int(size), len(raw))]
	}
	if kind != "LZFu" || size > 8<<20 {
		return nil
	}
	var dict [4096]byte
	at := copy(dict[:], rtfStart)
	out := make([]byte, 0, min(int(size), 17*len(raw)))
	emit := func(c byte) {
		out = append(out, c)
		dict[at] = c
		at = (at + 1) % len(dict)
	}
	for len(raw) > 0 {
		control := raw[0]
		raw = raw[1:]
		for bit := 0; bit < 8 && len(raw) > 0; bit++ {
			if control>>bit&1 == 0 {
				emit(raw[0])
				raw = raw[1:]
				continue
			}
			if len(raw) < 2 {
				return out
			}
			ref := binary.BigEndian.Uint16(raw)
			raw = raw[2:]
			from, n := int(ref>>4), int(ref&15)+2
			if from == at { // the end mark
				return out
			}
			for i := 0; i < n; i++ {
				emit(dict[(from+i)%len(dict)])
			}
			if len(out) > 8<<20 {
				return out
			}
		}
	}
	return out
}

// rtfText is the plain text of an RTF body. HTML wrapped in RTF loses its tags.
func rtfText(rtf []byte) string {
	var out strings.Builder
	var hiddenAt []bool // by group
	hidden := false
	charset := "windows-1252"
	var raw []byte // \'xx run
	var high rune  // first half of a character of two \u
	flush := func() {
		if len(raw) > 0 {
			out.WriteString(toUTF8(raw, charset))
			raw = raw[:0]
		}
	}
	skip := 0 // characters that stand in for the \u before them
	for i := 0; i < len(rtf); i++ {
		switch c := rtf[i]; c {
		case '{':
			hiddenAt = append(hiddenAt, hidden)
		case '}':
			if n := len(hiddenAt); n > 0 {
				hidden, hiddenAt = hiddenAt[n-1], hiddenAt[:n-1]
			}
		case '\r', '\n', 0:
		case '\\':
			word, value, n := rtfWord(rtf[i+1:])
			i += n
			if word != "'" {
				flush()
			}
			if high != 0 && word != "u" {
				out.WriteRune(high) // half of a character is none
				high = 0
			}
			switch word {
			case "'":
				if skip > 0 {
					skip--
				} else if !hidden {
					raw = append(raw, byte(value))
				}
			case "*", "fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "footer":
				hidden = true
			case "htmlrtf":
				hidden = value != 0
			case "par", "line", "row", "sect":
				if !hidden {
					out.WriteByte('\n')
				}
			case "tab", "cell":
				if !hidden {
					out.WriteByte('\t')
				}
			case "~":
				if !hidden {
					out.WriteByte(' ')
				}
			case "\\", "{", "}":
				if !hidden {
					out.WriteString(word)
				}
			case "ansicpg":
				charset = codepage(uint32(value))
			case "u":
				if r := rune(uint16(value)); !hidden {
					switch {
					case high != 0:
						both := utf16.DecodeRune(high, r)
						out.WriteRune(both)
						if both == utf8.RuneError {
							out.WriteRune(r)
						}
						high = 0
					case utf16.IsSurrogate(r):
						high = r
					default:
						out.WriteRune(r)
					}
				}
				skip = 1
			case "lquote", "rquote":
				out.WriteByte('\'')
			case "ldblquote", "rdblquote":
				out.WriteByte('"')
			case "emdash", "endash":
				out.WriteByte('-')
			case "bullet":
				out.WriteByte('*')
			}
		default:
			if skip > 0 {
				skip--
				continue
			}
			if !hidden {
				flush()
				if high != 0 {
					out.WriteRune(high)
					high = 0
				}
				out.WriteByte(c)
			}
		}
	}
	flush()
	return blankLines(clean(out.String()))
}

// rtfWord reads a control word or symbol behind its backslash; n is its length.
func rtfWord(b []byte) (word string, value, n int) {
	if len(b) == 0 {
		return "", 0, 0
	}
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	if b[0] == '\'' {
		if len(b) >= 3 && isHex(b[1]) && isHex(b[2]) {
			return "'", int(unhex(b[1])<<4 | unhex(b[2])), 3
		}
		return "", 0, 1
	}
	if !letter(b[0]) {
		return string(b[:1]), 0, 1
	}
	for n < len(b) && n < 32 && letter(b[n]) {
		n++
	}
	word = string(b[:n])
	value = 1
	start := n
	if n < len(b) && b[n] == '-' {
		n++
	}
	for n < len(b) && n < start+8 && isDigit(b[n]) {
		n++
	}
	if v, err := strconv.Atoi(string(b[start:n])); err == nil {
		value = v
	}
	if n < len(b) && b[n] == ' ' {
		n++
	}
	return word, value, n
}

// codepage names a Windows code page.
func codepage(n uint32) string {
	switch n {
	case 65001:
		return "utf-8"
	case 20127:
		return "us-ascii"
	case 28591:
		return "iso-8859-1"
	case 50220, 50221, 50222:
		return "iso-2022-jp"
	case 20932, 51932:
		return "euc-jp"
	case 936, 54936:
		return "gb18030"
	case 949, 51949:
		return "euc-kr"
	case 950:
		return "big5"
	case 1200:
		return "utf-16le"
	case 20866:
		return "koi8-r"
	}
	return "cp" + strconv.FormatUint(uint64(n), 10)
}
