package dockerstatsreceiver

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// imageFilter says which images are excluded. Its rules are those of contrib's
// receiver: an item is a name, a /regular expression/ or a glob; with a leading
// "!" it stands for every image that does not match. An image that is named
// exactly is decided by that item; else any matching item excludes it.
type imageFilter struct {
	names        map[string]bool // name → negated
	negatedNames bool
	patterns     []imagePattern
}

type imagePattern struct {
	expression *regexp.Regexp
	negated    bool
}

// newImageFilter reports every item that cannot be read.
func newImageFilter(items []string) (*imageFilter, error) {
	f := &imageFilter{names: map[string]bool{}}
	var errs []error
	for i, item := range items {
		text, negated := strings.CutPrefix(strings.TrimSpace(item), "!")
		expression, err := imageExpression(text)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("excluded_images[%d]: %q: %w", i, item, err))
		case text == "":
			errs = append(errs, fmt.Errorf("excluded_images[%d]: %q is empty; a name, a /regular expression/ or a glob is needed", i, item))
		case expression != nil:
			f.patterns = append(f.patterns, imagePattern{expression: expression, negated: negated})
		default:
			f.names[text] = negated
			f.negatedNames = f.negatedNames || negated
		}
	}
	return f, errors.Join(errs...)
}

// imageExpression is nil for a plain name.
func imageExpression(text string) (*regexp.Regexp, error) {
	if len(text) > 1 && strings.HasPrefix(text, "/") && strings.HasSuffix(text, "/") {
		return regexp.Compile(text[1 : len(text)-1])
	}
	if !strings.ContainsAny(text, "*?[]{}!") {
		return nil, nil
	}
	return globExpression(text)
}

// globExpression turns a glob into a regular expression: * and ? match any
// characters, [ab] and [!ab] sets, {a,b} alternatives, and \ quotes.
func globExpression(glob string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString("^(?s:")
	braces := 0
	runes := []rune(glob)
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == '*':
			b.WriteString(".*")
		case r == '?':
			b.WriteString(".")
		case r == '[':
			b.WriteString("[")
			if i+1 < len(runes) && runes[i+1] == '!' {
				b.WriteString("^")
				i++
			}
		case r == ']':
			b.WriteString("]")
		case r == '{':
			braces++
			b.WriteString("(?:")
		case r == '}' && braces > 0:
			braces--
			b.WriteString(")")
		case r == ',' && braces > 0:
			b.WriteString("|")
		case r == '-':
			b.WriteString("-") // a range within a set, itself elsewhere
		case r == '\\' && i+1 < len(runes):
			i++
			b.WriteString(regexp.QuoteMeta(string(runes[i])))
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	b.WriteString(")$")
	if braces > 0 {
		return nil, errors.New("a { of the glob is not closed")
	}
	expression, err := regexp.Compile(b.String())
	if err != nil {
		return nil, errors.New("the glob's brackets do not match")
	}
	return expression, nil
}

// excludes reports whether the image's containers are left out.
func (f *imageFilter) excludes(image string) bool {
	if negated, named := f.names[image]; named {
		return !negated
	}
	if f.negatedNames {
		return true
	}
	for _, p := range f.patterns {
		if p.expression.MatchString(image) != p.negated {
			return true
		}
	}
	return false
}
