package recent

import (
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/roomlog"
	"webim/room/engine/window"
)

// Publications are the recent publications of a room. The zero value has none and needs a Memory.
type Publications struct {
	Memory *Memory
	// Whole says that there are no others that the room keeps.
	Whole bool

	window *window.Window // nil: none came since the room began, and none were read
	left   bool           // they do not count
	cost   int64          // of them, as Memory counts it
}

// Append adds the next publication of a room that keeps this much.
func (p *Publications) Append(one *engine.Publication, keep *engine.Retention) {
	if p.window == nil {
		p.window = new(window.Window)
	}
	p.window.Append(one, p.Memory.cameAt(one.Time))
	p.Trim(keep)
}

// Trim forgets publications above the limits of a room that keeps this much.
func (p *Publications) Trim(keep *engine.Retention) {
	if p.window == nil {
		return
	}
	was, _ := p.window.Floor()
	p.window.Trim(roomlog.Recent(keep), p.Memory.clock())
	if is, _ := p.window.Floor(); is != was && !roomlog.IsRecent(keep) {
		p.Whole = false // the forgotten ones are still in the log
	}
	p.count()
}

// Forget forgets all publications. whole says that the room keeps none at all.
func (p *Publications) Forget(whole bool) { p.set(nil, whole) }

// Leave says that nobody reads the publications any more, so that they do not count.
func (p *Publications) Leave() {
	p.left = true
	p.count()
}

// Redact removes the data of publications.
func (p *Publications) Redact(offsets []uint64) {
	if p.window != nil {
		p.window.Redact(offsets)
		p.count()
	}
}

// Has reports whether a user has made one of the publications.
func (p *Publications) Has(user string) bool { return p.window != nil && p.window.Has(user) }

// Floor returns the offset behind which all publications are there. ok is false if that is not known.
func (p *Publications) Floor() (floor uint64, ok bool) {
	if p.window == nil {
		return 0, false
	}
	return p.window.Floor()
}

// Extend puts older publications before those behind floor. Whole says that the room keeps no others. It reports
// false if the publications behind floor, up to that at tip, were forgotten.
func (p *Publications) Extend(older []engine.Publication, floor, tip uint64, whole bool, keep *engine.Retention) bool {
	if p.window == nil && tip > floor {
		return false
	}
	if at, ok := p.Floor(); !ok || at == floor {
		w := new(window.Window)
		p.Memory.appendTo(w, older)
		if p.window != nil {
			p.Memory.appendTo(w, p.window.Read(everything))
		}
		p.set(w, whole)
	}
	p.Trim(keep)
	return true
}

// everything is the Span of all publications of a window.
var everything = engine.Span{Limit: -1, Places: true}

func (p *Publications) set(w *window.Window, whole bool) {
	p.window, p.Whole = w, whole
	p.count()
}

// count counts the cost of the publications.
func (p *Publications) count() {
	is := int64(0)
	if p.window != nil && !p.left {
		is = p.window.Cost()
	}
	if is != p.cost {
		p.Memory.add(is - p.cost)
		p.cost = is
	}
}

// Len returns the number of publications.
func (p *Publications) Len() int {
	if p.window == nil {
		return 0
	}
	return p.window.Len()
}
