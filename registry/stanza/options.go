package stanza

// Options has read read each line of the block, in order, and returns the first
// error. No word may be said twice, and none opens a block.
func (s Stanza) Options(read func(Stanza) error) error {
	seen := map[string]bool{}
	for _, o := range s.Block {
		if seen[o.Name()] {
			return o.Errorf("%q is said twice", o.Name())
		}
		seen[o.Name()] = true
		if err := o.NoBlock(); err != nil {
			return err
		}
		if err := read(o); err != nil {
			return err
		}
	}
	return nil
}

// Values are the words of a block that are followed by nothing but values, with
// where those go.
type Values struct {
	One  map[string]*string   // of exactly one
	Many map[string]*[]string // of one or more
}

// Option reads o if it is one of the words, and reports whether it is.
func (v Values) Option(o Stanza) (is bool, err error) {
	if one := v.One[o.Name()]; one != nil {
		if err := o.WantArgs(1, 1, o.Name()+" VALUE"); err != nil {
			return true, err
		}
		*one = o.Args()[0]
		return true, nil
	}
	if many := v.Many[o.Name()]; many != nil {
		if err := o.WantArgs(1, -1, o.Name()+" VALUE..."); err != nil {
			return true, err
		}
		*many = o.Args()
		return true, nil
	}
	return false, nil
}
