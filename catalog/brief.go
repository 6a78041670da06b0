package catalog

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
)

// maxBrief is how long a text may be that is told to people.
const maxBrief = 1000

// Brief returns text if people may be told all of it. Else it returns how it begins,
// its length and a digest, so that two of them stay apart: who writes to a registry
// may give a record a name of megabytes.
func Brief(text string) string {
	if len(text) <= maxBrief {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%s... (%d bytes, %x)", strings.Clone(text[:100]), len(text), sum[:8])
}

// briefly returns err, or one with a brief text.
func briefly(err error) error {
	if err == nil || len(err.Error()) <= maxBrief {
		return err
	}
	return errors.New(Brief(err.Error()))
}
