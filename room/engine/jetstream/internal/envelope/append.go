package envelope

import (
	"encoding/binary"
	"slices"
)

// Append appends the encoding of m to dst. If m.Sealed is not nil, it must have at least MinSealed
// bytes, and the personal part is not written. Op must be one of those that Envelope names.
func Append(dst []byte, m *Envelope) []byte {
	var names tagNames
	readable := names.of(m.Tags, true)
	flags := bit(flagSkip, m.Skip) | bit(flagAuthor, m.HasAuthor) | bit(flagCompactKey, m.CompactKey != "") | bit(flagKey, m.Key != "") |
		bit(flagBack, m.Back != 0 || m.Depth != 0) | bit(flagTags, len(readable) > 0) | bit(flagSealed, m.Sealed != nil)
	dst = append(dst, Version, flags, byte(m.Op))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Time))
	if flags&flagBack != 0 {
		dst = append(binary.AppendUvarint(dst, m.Back), m.Depth)
	}
	if flags&flagCompactKey != 0 {
		dst = appendString(dst, m.CompactKey)
	}
	if flags&flagKey != 0 {
		dst = appendString(dst, m.Key)
	}
	if flags&flagAuthor != 0 {
		dst = appendString(appendString(dst, m.From.User), m.From.Client)
	}
	if flags&flagTags != 0 {
		dst = appendTags(dst, m.Tags, readable)
	}
	if m.Sealed != nil {
		return appendString(dst, m.Sealed)
	}
	return AppendPersonal(dst, m)
}

// AppendPersonal appends the personal part of m to dst: the text to seal.
func AppendPersonal(dst []byte, m *Envelope) []byte {
	var names tagNames
	personal := names.of(m.Tags, false)
	info := m.HasAuthor
	parts := bit(partConnInfo, info && len(m.From.ConnInfo) > 0) | bit(partChanInfo, info && len(m.From.ChanInfo) > 0) | bit(partTags, len(personal) > 0)
	dst = append(dst, parts)
	if parts&partConnInfo != 0 {
		dst = appendString(dst, m.From.ConnInfo)
	}
	if parts&partChanInfo != 0 {
		dst = appendString(dst, m.From.ChanInfo)
	}
	if parts&partTags != 0 {
		dst = appendTags(dst, m.Tags, personal)
	}
	return appendString(dst, m.Data)
}

// bit returns flag if the condition is true.
func bit(flag byte, condition bool) byte {
	if condition {
		return flag
	}
	return 0
}

// tagNames is space for the names of the tags of most messages, so that sorting them needs no garbage.
type tagNames [16]string

// of returns the sorted names of the tags that are readable, or of the others.
func (n *tagNames) of(tags map[string]string, readable bool) []string {
	names := n[:0]
	for name := range tags {
		if isReadable(name) == readable {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func appendTags(dst []byte, tags map[string]string, names []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(names)))
	for _, name := range names {
		dst = appendString(appendString(dst, name), tags[name])
	}
	return dst
}

func appendString[S string | []byte](dst []byte, s S) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
