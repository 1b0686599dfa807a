package hubspotsim

import (
	"net/http"
	"strconv"
	"strings"
)

// consentCall runs an operation on subscriptions.
func (s *Sim) consentCall(c *call) reply {
	if c.op == opDefinitions {
		if rep, bad := s.badConsent(c); bad {
			return rep
		}
		return consentAnswer(c, s.definitions(c), nil)
	}
	if rep, bad := s.badConsent(c); bad {
		return rep
	}
	if strings.HasPrefix(c.op, "sub_batch_") {
		return s.consentBatch(c)
	}
	r := &c.subscribers[0]
	if r.skip {
		return c.emptyAnswer()
	}
	if r.poison == "whole400" || r.poison == "whole400named" {
		return c.badRequest("Unable to process the request")
	}
	e := s.badSubscriber(c, r)
	if e != nil {
		return s.whole(c, []*rowError{e})
	}
	var results any
	switch c.op {
	case opStatuses:
		results = s.statuses(c, r.address, "")
	case opAllRead:
		results = s.wide(c, r.address)
	case opStatus:
		one, e := s.setOne(c, r)
		if e != nil {
			return s.whole(c, []*rowError{e})
		}
		results = []publicStatus{one}
	case opAll:
		results = s.outOfAll(c, r.address)
		if c.query.Get("verbose") != "true" {
			results = []publicStatus{} // a success all the same: the guide named at publicStatus
		}
	}
	if r.hide {
		return c.emptyAnswer()
	}
	return consentAnswer(c, results, nil)
}

// consentAnswer is the envelope of all of them.
func consentAnswer(c *call, results any, errors []rowProblem) reply {
	b := append([]byte(`{"status":"COMPLETE","results":`), mustJSON(results)...)
	if errors != nil {
		b = append(appendKey(b, "numErrors"), itoa(len(errors))...)
		b = append(appendKey(b, "errors"), mustJSON(errors)...)
	}
	return reply{status: http.StatusOK, body: appendTimes(b, c.now)}
}

// consentBatch runs a batch: each address has its own fate, unless Quirks.ConsentWhole400 is set. Nothing about it is
// documented but the bodies; that some rows can fail alone follows from errors[] in the description.
func (s *Sim) consentBatch(c *call) reply {
	var errs []*rowError
	fates := make([]*rowError, len(c.subscribers))
	for i := range c.subscribers {
		r := &c.subscribers[i]
		if r.poison == "whole400" || r.poison == "whole400named" {
			return c.badRequest("Unable to process the request")
		}
		if fates[i] = s.badSubscriber(c, r); fates[i] != nil {
			errs = append(errs, fates[i])
		}
	}
	if errs != nil && s.quirks.ConsentWhole400 {
		return s.whole(c, errs)
	}
	results := make([]any, 0, len(c.subscribers))
	var problems []rowProblem
	for i := range c.subscribers {
		r := &c.subscribers[i]
		if r.skip {
			continue
		}
		var result any
		e := fates[i]
		if e == nil {
			result, e = s.batchOne(c, r)
		}
		switch {
		case r.hide:
		case e != nil:
			problems = append(problems, s.subscriberProblem(e, r))
		case result != nil:
			results = append(results, result)
		}
	}
	s.rng.Shuffle(len(results), func(i, j int) { results[i], results[j] = results[j], results[i] })
	rep := consentAnswer(c, results, problems)
	if problems != nil && s.quirks.Consent207 {
		rep.status = http.StatusMultiStatus
	}
	return rep
}

// batchOne does what a batch asks for one address. A nil result is a success that the answer does not show.
func (s *Sim) batchOne(c *call, r *subscriberRow) (any, *rowError) {
	address := r.address
	if c.mangle {
		address = ""
	}
	switch c.op {
	case opBatchWrite:
		one, e := s.setOne(c, r)
		return one, e
	case opBatchAll:
		all := s.outOfAll(c, r.address)
		if c.query.Get("verbose") != "true" {
			return nil, nil
		}
		return map[string]any{"subscriberIdString": address, "statuses": all}, nil
	case opBatchAllRead:
		return map[string]any{"subscriberIdString": address, "wideStatuses": s.wide(c, r.address)}, nil
	}
	return map[string]any{"subscriberIdString": address, "statuses": s.statuses(c, r.address, "")}, nil
}

// subscriberProblem is an entry of errors[]. What its context holds is not documented; Quirks.ConsentErrorsUnnamed
// leaves it empty.
func (s *Sim) subscriberProblem(e *rowError, r *subscriberRow) rowProblem {
	p := rowProblem{Status: "error", Category: e.category, Message: e.message, Context: map[string][]string{}, Errors: []detail{}}
	p.Errors = append(p.Errors, e.errors()...)
	if !s.quirks.ConsentErrorsUnnamed {
		p.Context["subscriberIdString"] = []string{r.Address.text}
		if r.ID != 0 {
			p.Context["subscriptionId"] = []string{strconv.FormatInt(r.ID, 10)}
		}
	}
	return p
}

// definition is a subscription type on the wire.
type definition struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Purpose     string `json:"purpose"`
	Method      string `json:"communicationMethod"`
	Active      bool   `json:"isActive"`
	Default     bool   `json:"isDefault"`
	Internal    bool   `json:"isInternal"`
	Unit        int64  `json:"businessUnitId"`
	CreatedAt   string `json:"createdAt"`
	UpdatedAt   string `json:"updatedAt"`
}

func (s *Sim) definitions(c *call) []definition {
	all := []definition{}
	for _, of := range s.subscriptions {
		if unit, one := c.unit(); one && unit != of.BusinessUnitID {
			continue
		}
		at := isoTime(s.props[optoutProperty(of.ID)].createdAt)
		all = append(all, definition{strconv.FormatInt(of.ID, 10), of.Name, of.Name, "Marketing", "Email",
			!of.Inactive, of.Default, of.Internal, of.BusinessUnitID, at, at})
	}
	return all
}
