package mirror

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
)

// maxLabel is how long a DNS label may be.
const maxLabel = 63

// label makes a name that a Service or a namespace may have out of any name in
// lower case, the same for the same: what stands for no letter, digit or dash
// becomes a dash; prefix goes before a name that begins with a digit; of one
// that is too long a digest is the end.
func label(name, prefix string) string {
	clean := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, name), "-")
	if clean != "" && clean[0] <= '9' {
		clean = prefix + clean
	}
	if len(clean) <= maxLabel {
		return clean
	}
	sum := sha256.Sum256([]byte(name))
	end := "-" + hex.EncodeToString(sum[:4])
	return strings.TrimRight(clean[:maxLabel-len(end)], "-") + end
}

// MetaTags is the metadata of a mirror in a cluster that lists the tags of its
// instances. What all of them say of themselves it says, too.
const MetaTags = "isthmus.dev/tags"

// told is what a mirror says of itself to those who only look at it: the
// original's metadata, what all instances have of it, and all of their tags.
func told(meta map[string]string, all []catalog.Endpoint) map[string]string {
	if len(all) == 0 {
		return meta
	}
	out := maps.Clone(all[0].Meta)
	var tags []string
	for _, e := range all {
		maps.DeleteFunc(out, func(k, v string) bool {
			have, ok := e.Meta[k]
			return !ok || have != v
		})
		for _, t := range e.Tags {
			tags = append(tags, strings.ReplaceAll(t, ",", `\,`))
		}
	}
	if len(out)+len(tags) == 0 {
		return meta
	}
	if out == nil {
		out = map[string]string{}
	}
	if len(tags) > 0 {
		slices.Sort(tags)
		out[MetaTags] = strings.Join(slices.Compact(tags), ",")
	}
	maps.Copy(out, meta)
	return out
}
