package hubspot

import (
	"slices"
	"unicode/utf8"
)

// encodeWrite builds the body of a batch write. It is written by hand because it runs for every hundred rows: no reflection,
// no escaping for HTML, and properties in the order of their names, so that equal inputs give equal bytes.
func encodeWrite(op, idProperty string, inputs []Input) []byte {
	size := 16
	for _, in := range inputs {
		size += 120 + len(in.ID) + len(in.TraceID) + len(idProperty)
		for name, value := range in.Properties {
			size += len(name) + len(value) + 8
		}
	}
	b := append(make([]byte, 0, size), `{"inputs":[`...)
	var names []string
	for i, in := range inputs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		if op != OpBatchCreate {
			b = append(appendString(append(b, `"id":`...), in.ID), ',')
		}
		if idProperty != "" {
			b = append(appendString(append(b, `"idProperty":`...), idProperty), ',')
		}
		names = names[:0]
		for name := range in.Properties {
			names = append(names, name)
		}
		slices.Sort(names)
		b = append(b, `"properties":{`...)
		for j, name := range names {
			if j > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, name), ':')
			b = appendString(b, in.Properties[name])
		}
		b = append(b, '}')
		if op == OpBatchCreate {
			b = append(b, `,"associations":[]`...) // the 2026-09 description marks it required
		}
		b = appendString(append(b, `,"objectWriteTraceId":`...), in.TraceID)
		b = append(b, '}')
	}
	return append(b, ']', '}')
}

// encodeRead builds the body of a batch read; the description marks all three arrays required.
func encodeRead(r ReadRequest) []byte {
	b := append(make([]byte, 0, 64+40*len(r.IDs)+24*len(r.Properties)), `{"inputs":[`...)
	for i, id := range r.IDs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(append(b, `{"id":`...), id), '}')
	}
	b = append(b, ']')
	if r.IDProperty != "" {
		b = appendString(append(b, `,"idProperty":`...), r.IDProperty)
	}
	b = appendStrings(append(b, `,"properties":`...), r.Properties)
	b = appendStrings(append(b, `,"propertiesWithHistory":`...), r.History)
	return append(b, '}')
}

// appendStrings appends a JSON list of strings.
func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, one := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, one)
	}
	return append(b, ']')
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD, as encoding/json does.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		ch := s[i]
		if ch >= ' ' && ch != '"' && ch != '\\' && ch < utf8.RuneSelf {
			i++
			continue
		}
		if ch >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		b = append(b, s[start:i]...)
		switch ch {
		case '"', '\\':
			b = append(b, '\\', ch)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[ch>>4], hexDigits[ch&15])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}
