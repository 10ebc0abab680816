package letter

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
)

// decodeUTF7 decodes UTF-7 (RFC 2152), which Outlook Express and old phones
// still send. What is no UTF-7 stays as it is.
func decodeUTF7(b []byte) string {
	var out strings.Builder
	for i := 0; i < len(b); i++ {
		if b[i] != '+' {
			out.WriteByte(b[i])
			continue
		}
		end := i + 1
		for end < len(b) && b[end] != '=' && base64Value[b[end]] {
			end++
		}
		run := b[i+1 : end]
		switch {
		case len(run) == 0 && end < len(b) && b[end] == '-': // "+-" is a plus
			out.WriteByte('+')
			i = end
			continue
		case len(run) == 0:
			out.WriteByte('+')
			continue
		}
		if len(run)%4 == 1 {
			run = run[:len(run)-1]
		}
		raw, err := base64.RawStdEncoding.AppendDecode(nil, run)
		if err != nil {
			out.Write(b[i:end])
			i = end - 1
			continue
		}
		units := make([]uint16, 0, len(raw)/2)
		for j := 0; j+1 < len(raw); j += 2 {
			units = append(units, uint16(raw[j])<<8|uint16(raw[j+1]))
		}
		out.WriteString(string(utf16.Decode(units)))
		i = end - 1
		if end < len(b) && b[end] == '-' {
			i = end
		}
	}
	return out.String()
}
