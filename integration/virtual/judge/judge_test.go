package judge

import (
	"slices"
	"testing"
	"time"
)

// book writes a history by hand: times are seconds.
type book struct{ h History }

func newBook() *book {
	return &book{History{Heartbeat: 2 * time.Second, DownAfter: 10 * time.Second}}
}

func (b *book) at(second float64, f Fact) *book {
	f.At = time.Unix(0, 0).Add(time.Duration(second * float64(time.Second)))
	b.h.Facts = append(b.h.Facts, f)
	return b
}

func (b *book) set(second float64, node string, generation uint64, wants map[string]Want) *book {
	return b.at(second, Fact{Kind: Set, Node: node, Version: Version{1, generation}, Wants: wants})
}

// serve lets nodes answer for imap from the first second on, as their sets want.
func (b *book) serve(nodes ...string) *book {
	for _, n := range nodes {
		b.set(0, n, 1, map[string]Want{"imap": Serving}).at(1, Fact{Kind: Answers, Node: n, Service: "imap"})
	}
	return b
}

// floor puts a floor in force by the tenth second.
func (b *book) floor(floor, answering int) *book {
	floors := map[string]int{"imap": floor}
	b.at(0, Fact{Kind: Sent, Floors: floors}).at(0, Fact{Kind: Acked, Floors: floors})
	for s := 2; s <= 10; s++ {
		b.look(float64(s), answering, nil)
	}
	return b
}

// look is an onlooker's, calm and with a leader; change may say otherwise.
func (b *book) look(second float64, answering int, change func(*Look)) *book {
	l := Look{Leader: true, Calm: true, Sure: map[string]int{"imap": answering}, Eligible: map[string][]string{"imap": {"n9"}}, Starting: map[string]bool{}, Failed: map[string]string{}}
	if change != nil {
		change(&l)
	}
	return b.at(second, Fact{Kind: Looked, Look: l})
}

func (b *book) looks(from, to, answering int, change func(*Look)) *book {
	for s := from; s <= to; s++ {
		b.look(float64(s), answering, change)
	}
	return b
}

func (b *book) breaks(t *testing.T, rules ...string) {
	t.Helper()
	var got []string
	verdict, _ := Verdict(b.h)
	for _, v := range verdict {
		if !slices.Contains(got, v.Rule) {
			got = append(got, v.Rule)
		}
	}
	slices.Sort(got)
	slices.Sort(rules)
	if !slices.Equal(got, rules) {
		t.Errorf("breaks %q, want %q: %+v", got, rules, verdict)
	}
}

var nothing = map[string]Want{}

func fails(node string) Fact   { return Fact{Kind: Fails, Node: node, Service: "imap"} }
func stops(node string) Fact   { return Fact{Kind: Stops, Node: node, Service: "imap"} }
func answers(node string) Fact { return Fact{Kind: Answers, Node: node, Service: "imap"} }

func TestACommandMayTakeWhatIsToSpareAndNoMore(t *testing.T) {
	newBook().serve("n1", "n2").floor(1, 2).set(20, "n1", 2, nothing).at(20, stops("n1")).breaks(t)
	newBook().serve("n1", "n2").floor(2, 2).set(20, "n1", 2, nothing).breaks(t, RuleFloor)
	newBook().serve("n1", "n2").floor(2, 2).set(20, "n1", 2, map[string]Want{"imap": Draining}).breaks(t, RuleFloor)
}

func TestCommandsOfOneMomentCountTogether(t *testing.T) {
	newBook().serve("n1", "n2", "n3").floor(2, 3).set(20, "n1", 2, nothing).set(20, "n2", 2, nothing).breaks(t, RuleFloor)
}

func TestWhatACommandTookCountsNoMoreThoughItAnswersOn(t *testing.T) {
	newBook().serve("n1", "n2", "n3").floor(2, 3).set(20, "n1", 2, nothing).set(30, "n2", 2, nothing).breaks(t, RuleFloor)
}

func TestWhatADrainThatWasCalledOffLeavesCountsAgain(t *testing.T) {
	newBook().serve("n1", "n2", "n3").floor(2, 3).set(20, "n1", 2, map[string]Want{"imap": Draining}).
		set(21, "n1", 3, map[string]Want{"imap": Serving}).set(30, "n2", 2, nothing).breaks(t)
}

func TestAFailureCountsForTwoHeartbeatsMore(t *testing.T) {
	newBook().serve("n1", "n2", "n3").floor(2, 3).at(20, fails("n1")).set(23.9, "n2", 2, nothing).breaks(t)
	newBook().serve("n1", "n2", "n3").floor(2, 3).at(20, fails("n1")).set(24.1, "n2", 2, nothing).breaks(t, RuleFloor)
}

func TestToTakeWhatHasFailedAlreadyTakesNothing(t *testing.T) {
	newBook().serve("n1").floor(1, 1).at(20, fails("n1")).set(21, "n1", 2, nothing).breaks(t)
	// Together with one that answers it does: whoever decided took both for ready, or knew better.
	newBook().serve("n1", "n2").floor(1, 2).at(20, fails("n1")).set(21, "n1", 2, nothing).set(21, "n2", 2, nothing).breaks(t, RuleFloor)
}

func TestWithFewerThanTheFloorACommandTakesNone(t *testing.T) {
	newBook().serve("n1", "n2").floor(2, 2).at(20, fails("n1")).set(40, "n2", 2, nothing).breaks(t, RuleFloor)
}

func TestWhatBeginsToAnswerInTheSameMomentCounts(t *testing.T) {
	newBook().serve("n1").floor(1, 1).set(15, "n2", 1, map[string]Want{"imap": Serving}).
		set(20, "n1", 2, nothing).at(20, answers("n2")).at(20, stops("n1")).breaks(t)
}

func TestAFloorThatWasNeverReachedIsNotInForce(t *testing.T) {
	newBook().serve("n1", "n2").floor(3, 2).set(20, "n1", 2, nothing).breaks(t)
}

func TestALoweredFloorIsInForceAtOnceAndARaisedOneOnceItIsReached(t *testing.T) {
	lower := map[string]int{"imap": 1}
	newBook().serve("n1", "n2").floor(2, 2).at(20, Fact{Kind: Sent, Floors: lower}).set(20, "n1", 2, nothing).breaks(t)
	// It was sent and refused: the old one is in force once it is reached again.
	newBook().serve("n1", "n2").floor(2, 2).at(20, Fact{Kind: Sent, Floors: lower}).looks(21, 30, 2, nil).set(31, "n1", 2, nothing).breaks(t, RuleFloor)
}

func TestAnAgentThatStopsWhatItsSetWantsIsFound(t *testing.T) {
	newBook().serve("n1").floor(1, 1).at(20, stops("n1")).breaks(t, RuleFloor)
}

func TestWhatIsUnderItsFloorIsToBeRepaired(t *testing.T) {
	broken := func() *book { return newBook().serve("n1").floor(1, 1).at(20, fails("n1")) }
	broken().looks(20, 32, 0, nil).breaks(t)
	broken().looks(20, 34, 0, nil).breaks(t, RuleRepair)
	for what, excuse := range map[string]func(*Look){
		"nobody could":         func(l *Look) { l.Eligible = nil },
		"a start is under way": func(l *Look) { l.Starting["imap"] = true },
		"a start failed":       func(l *Look) { l.Failed["imap"] = "no such store" },
		"nobody leads":         func(l *Look) { l.Leader = false },
		"frozen, or held":      func(l *Look) { l.Calm = false },
	} {
		t.Run(what, func(t *testing.T) { broken().looks(20, 60, 0, excuse).breaks(t) })
	}
	// What disturbs gives the cluster its time again.
	broken().looks(20, 29, 0, nil).at(30, Fact{Kind: Disturbed}).looks(31, 43, 0, nil).breaks(t)
	broken().looks(20, 29, 0, nil).at(30, Fact{Kind: Disturbed}).looks(31, 46, 0, nil).breaks(t, RuleRepair)
	// So does a moment without a leader.
	broken().looks(20, 30, 0, nil).look(31, 0, func(l *Look) { l.Leader = false }).looks(32, 44, 0, nil).breaks(t)
}

func TestWhileItHoldsNothingIsTakenAway(t *testing.T) {
	holding := func(wants map[string]Want) Fact {
		return Fact{Kind: Set, Node: "n1", Version: Version{1, 2}, Wants: wants, Holds: true}
	}
	newBook().serve("n1", "n2").floor(1, 2).at(20, holding(nothing)).breaks(t, RuleHold)
	newBook().serve("n1", "n2").floor(1, 2).at(20, holding(map[string]Want{"imap": Serving, "jmap": Serving})).breaks(t)
	newBook().serve("n1", "n2").floor(1, 2).at(20, fails("n1")).at(21, holding(nothing)).breaks(t)
}

func TestNoAgentGoesBack(t *testing.T) {
	held := func(epoch, generation uint64) Fact {
		return Fact{Kind: Held, Node: "n1", Version: Version{epoch, generation}}
	}
	newBook().at(1, held(1, 1)).at(2, held(1, 2)).at(3, held(2, 1)).breaks(t)
	newBook().at(1, held(1, 2)).at(2, held(1, 1)).breaks(t, RuleBackward)
	newBook().at(1, held(2, 1)).at(2, held(1, 9)).breaks(t, RuleBackward)
}

func TestNoAgentActsOnAnOlderSet(t *testing.T) {
	act := func(v Verb) Fact { return Fact{Kind: Acts, Node: "n1", Service: "imap", Verb: v} }
	held := Fact{Kind: Held, Node: "n1", Version: Version{1, 2}}
	history := func() *book {
		return newBook().set(0, "n1", 1, map[string]Want{"imap": Serving}).set(5, "n1", 2, nothing).set(9, "n1", 3, map[string]Want{"imap": Draining})
	}
	history().at(6, act(Ensure)).at(6, held).at(7, act(Remove)).at(9, act(Drain)).breaks(t)
	history().at(6, held).at(7, act(Ensure)).breaks(t, RuleOlder)
	// What the set to come will ask for is nobody's order yet.
	history().at(6, held).at(10, act(Undrain)).breaks(t, RuleOlder)
}
