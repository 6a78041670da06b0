package manifests

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// Type is this kind of registry.
func Type() registry.Type { return registry.Type{Name: "manifests", Parse: parse} }

const usage = "manifests [NAME] FOLDER"

// config is one stanza.
type config struct {
	name, folder string
	details      registry.Details
}

var _ registry.Detailer = (*config)(nil)

func parse(s stanza.Stanza, _ func(string) string) (registry.Config, error) {
	if err := s.WantArgs(1, 2, usage); err != nil {
		return nil, err
	}
	if len(s.Block) > 0 {
		return nil, s.Block[0].Errorf("unknown word %q: a manifests registry has no options", s.Block[0].Name())
	}
	args := s.Args()
	c := &config{folder: args[len(args)-1]}
	c.name = filepath.Base(c.folder)
	if len(args) == 2 {
		c.name = args[0]
	}
	if c.name == "." || c.name == ".." || c.name == string(filepath.Separator) {
		c.name = "folder"
	}
	return c, nil
}

// Origin returns manifests/NAME.
func (c *config) Origin() catalog.Origin { return catalog.Origin("manifests/" + c.name) }

// Policy lets the origin speak for the namespaces that it holds.
func (c *config) Policy() catalog.OriginPolicy {
	return catalog.OriginPolicy{Origin: c.Origin(), Speaks: true}
}

// Naming is never asked for: there is no Writer.
func (c *config) Naming() registry.Naming { return registry.Naming{Name: "{service}"} }

// Detailed returns the same registry, which reports details, too. A folder has
// no nodes.
func (c *config) Detailed(d registry.Details) registry.Config {
	more := *c
	more.details = d
	return &more
}

// Reader opens the folder for reading. It need not be there yet.
func (c *config) Reader(log *slog.Logger) (registry.Registry, error) {
	path, err := filepath.Abs(c.folder)
	if err != nil {
		return nil, fmt.Errorf("open %s: folder %q: %w", c.Origin(), c.folder, err)
	}
	return &folder{path: path, details: c.details, log: log, refused: map[string]bool{}}, nil
}

// Writer returns an error: manifests are people's to write.
func (c *config) Writer(string, *slog.Logger) (registry.Writer, error) {
	return nil, fmt.Errorf("write to %s: %w", c.Origin(), errors.ErrUnsupported)
}

// String returns the stanza.
func (c *config) String() string { return "manifests " + c.name + " " + c.folder }

// identity names a folder by its absolute path.
func identity(path string) catalog.Identity {
	sum := sha256.Sum256([]byte(path))
	return catalog.Identity("manifests:" + hex.EncodeToString(sum[:8]))
}
