package isthmus

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"
)

// frozen writes down all that can be reached from x, the spare room of slices
// and what atomic pointers point to included, so that two moments of it can be
// compared. What belongs to nobody's records is passed over: locks, channels,
// functions.
func frozen(x any) string {
	w := walker{seen: map[visit]bool{}}
	w.walk("", reflect.ValueOf(x))
	return strings.Join(w.lines, "\n")
}

// visit is a place that was walked: a structure and its first field share
// their address.
type visit struct {
	at  uintptr
	typ reflect.Type
}

type walker struct {
	lines []string
	seen  map[visit]bool
}

func (w *walker) say(path, format string, args ...any) {
	w.lines = append(w.lines, path+" "+fmt.Sprintf(format, args...))
}

// passedOver reports whether a type holds no records of its own: what
// synchronises, the tables of time zones, and what finds records by name.
func passedOver(t reflect.Type) bool {
	if t == reflect.TypeFor[byName]() {
		return true
	}
	switch t.PkgPath() {
	case "sync", "sync/atomic", "internal/sync", "unique":
		return true
	}
	return t.PkgPath() == "time" && t.Name() == "Location"
}

func (w *walker) walk(path string, v reflect.Value) {
	switch {
	case v.IsValid() && v.Type().PkgPath() == "sync/atomic" && strings.HasPrefix(v.Type().Name(), "Pointer["):
		w.walk(path, loaded(v))
		return
	case v.IsValid() && passedOver(v.Type()):
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		w.pointer(path, v)
	case reflect.Interface:
		if v.IsNil() {
			w.say(path, "nil")
			return
		}
		w.walk(path+"("+v.Elem().Type().String()+")", v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			w.walk(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			w.walk(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Slice:
		w.slice(path, v)
	case reflect.Map:
		w.aMap(path, v)
	default:
		w.value(path, v)
	}
}

// loaded returns what an atomic.Pointer points to. It stands in memory that can
// be addressed, since whatever holds one is never copied.
func loaded(v reflect.Value) reflect.Value {
	at := (*unsafe.Pointer)(v.FieldByName("v").Addr().UnsafePointer())
	return reflect.NewAt(v.Type().Field(0).Type.Elem().Elem(), atomic.LoadPointer(at))
}

func (w *walker) pointer(path string, v reflect.Value) {
	if v.IsNil() {
		w.say(path, "nil")
		return
	}
	if passedOver(v.Type().Elem()) {
		return
	}
	if at := (visit{v.Pointer(), v.Type()}); !w.seen[at] {
		w.seen[at] = true
		w.walk(path, v.Elem())
	}
}

func (w *walker) slice(path string, v reflect.Value) {
	w.say(path, "len %d", v.Len())
	all := v.Slice(0, v.Cap())
	if v.Type().Elem().Kind() == reflect.Uint8 {
		w.say(path, "%x", all.Bytes())
		return
	}
	for i := range all.Len() {
		w.walk(fmt.Sprintf("%s[%d]", path, i), all.Index(i))
	}
}

// aMap walks the entries in the order of their keys.
func (w *walker) aMap(path string, v reflect.Value) {
	w.say(path, "map of %d", v.Len())
	values := map[string]reflect.Value{}
	for each := v.MapRange(); each.Next(); {
		key := walker{seen: map[visit]bool{}}
		key.walk("", each.Key())
		values[strings.Join(key.lines, " ")] = each.Value()
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		w.walk(path+"["+key+"]", values[key])
	}
}

func (w *walker) value(path string, v reflect.Value) {
	switch {
	case !v.IsValid(), v.Kind() == reflect.Func, v.Kind() == reflect.Chan, v.Kind() == reflect.UnsafePointer:
	case v.CanInt():
		w.say(path, "%d", v.Int())
	case v.CanUint():
		w.say(path, "%d", v.Uint())
	case v.CanFloat():
		w.say(path, "%g", v.Float())
	case v.Kind() == reflect.Bool:
		w.say(path, "%t", v.Bool())
	default:
		w.say(path, "%q", v.String())
	}
}

// TestFrozen holds that every kind of change shows.
func TestFrozen(t *testing.T) {
	type inner struct {
		text  string
		spare []int
	}
	type outer struct {
		in    *inner
		bytes []byte
		any   any
		by    map[string][]string
		later atomic.Pointer[inner]
	}
	fresh := func() *outer {
		o := &outer{in: &inner{"a", make([]int, 1, 2)}, bytes: []byte{1, 2}, any: &inner{text: "b"}, by: map[string][]string{"k": {"x", "y"}, "l": nil}}
		o.later.Store(&inner{text: "c"})
		return o
	}
	before := frozen(fresh())
	for what, change := range map[string]func(*outer){
		"nothing":            func(*outer) {},
		"a field":            func(o *outer) { o.in.text = "A" },
		"an element":         func(o *outer) { o.in.spare[0] = 1 },
		"the spare room":     func(o *outer) { _ = append(o.in.spare, 7) },
		"a byte":             func(o *outer) { o.bytes[1]++ },
		"behind an any":      func(o *outer) { o.any.(*inner).text = "B" },
		"the order in a map": func(o *outer) { slices.Reverse(o.by["k"]) },
		"behind an atomic":   func(o *outer) { o.later.Load().text = "C" },
		"an atomic itself":   func(o *outer) { o.later.Store(nil) },
		"an entry of a map":  func(o *outer) { delete(o.by, "l") },
	} {
		o := fresh()
		change(o)
		if same := frozen(o) == before; same != (what == "nothing") {
			t.Errorf("%s was changed: the same %v", what, same)
		}
	}
}

// firstDifference returns the first lines in which two such texts differ, or "".
func firstDifference(before, after string) string {
	if before == after {
		return ""
	}
	b, a := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range min(len(b), len(a)) {
		if b[i] != a[i] {
			return "-" + b[i] + "\n+" + a[i]
		}
	}
	return fmt.Sprintf("%d lines became %d", len(b), len(a))
}
