package monitorapi

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// Resource is a collection of a product: what can be done with its objects, and the
// scope that each needs.
type Resource struct {
	Name string // the path segment: monitors
	// Actions have the scope of each of read, create, update, delete and run that the
	// product knows; write stands for create, update and delete that are not named.
	Actions map[string]string
}

// scope is what an action needs; "": the product does not know it.
func (r Resource) scope(action string) string {
	if s, ok := r.Actions[action]; ok {
		return s
	}
	if action == "create" || action == "update" || action == "delete" {
		return r.Actions["write"]
	}
	return ""
}

// maxObjects bounds what a tenant can fill memory with; older ones go.
const maxObjects = 500

// object is whatever a client stores.
type object map[string]any

// shelf is one tenant's objects of one resource, oldest first.
type shelf struct {
	mu      sync.Mutex
	objects []object
	next    int
}

// shelves are the objects of all tenants, in memory. A shelf is reached by the
// tenant of a call that passed the guard alone.
type shelves struct {
	mu sync.Mutex
	of map[[2]string]*shelf
}

func (s *shelves) shelf(tenant, resource string) *shelf {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]string{tenant, resource}
	if s.of[key] == nil {
		s.of[key] = &shelf{}
	}
	return s.of[key]
}

// mountResource adds the operations of one collection.
func (a *api) mountResource(mux *http.ServeMux, r Resource) {
	one := r.Name + "/{id}"
	for path, operations := range map[string]map[string]operation{
		r.Name:       {http.MethodGet: {r.scope("read"), a.listObjects(r)}, http.MethodPost: {r.scope("create"), a.createObject(r)}},
		one:          {http.MethodGet: {r.scope("read"), a.getObject(r)}, http.MethodPut: {r.scope("update"), a.replaceObject(r)}, http.MethodDelete: {r.scope("delete"), a.deleteObject(r)}},
		one + "/run": {http.MethodPost: {r.scope("run"), a.runObject(r)}},
	} {
		maps.DeleteFunc(operations, func(_ string, op operation) bool { return op.scope == "" })
		if len(operations) > 0 {
			a.mountOperations(mux, path, operations)
		}
	}
}

func (a *api) listObjects(r Resource) func(http.ResponseWriter, call) {
	return func(w http.ResponseWriter, c call) {
		s := a.shelves.shelf(c.Tenant, r.Name)
		s.mu.Lock()
		defer s.mu.Unlock()
		writeJSON(w, http.StatusOK, map[string]any{r.Name: append([]object{}, s.objects...)})
	}
}

func (a *api) createObject(r Resource) func(http.ResponseWriter, call) {
	return func(w http.ResponseWriter, c call) {
		in := object{}
		if !readJSON(w, c.Request, &in) {
			return
		}
		s := a.shelves.shelf(c.Tenant, r.Name)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.next++
		in["id"] = fmt.Sprintf("%s_%d", r.Name, s.next)
		s.objects = append(s.objects, in)
		if len(s.objects) > maxObjects {
			s.objects = s.objects[1:]
		}
		writeJSON(w, http.StatusCreated, in)
	}
}

func (a *api) getObject(r Resource) func(http.ResponseWriter, call) {
	return a.withObject(r, func(w http.ResponseWriter, c call, s *shelf, i int) { writeJSON(w, http.StatusOK, s.objects[i]) })
}

func (a *api) replaceObject(r Resource) func(http.ResponseWriter, call) {
	return func(w http.ResponseWriter, c call) {
		in := object{}
		if !readJSON(w, c.Request, &in) {
			return
		}
		a.withObject(r, func(w http.ResponseWriter, _ call, s *shelf, i int) {
			in["id"] = s.objects[i]["id"]
			s.objects[i] = in
			writeJSON(w, http.StatusOK, in)
		})(w, c)
	}
}

func (a *api) deleteObject(r Resource) func(http.ResponseWriter, call) {
	return a.withObject(r, func(w http.ResponseWriter, _ call, s *shelf, i int) {
		s.objects = slices.Delete(s.objects, i, i+1)
		w.WriteHeader(http.StatusNoContent)
	})
}

func (a *api) runObject(r Resource) func(http.ResponseWriter, call) {
	return a.withObject(r, func(w http.ResponseWriter, c call, s *shelf, i int) {
		writeJSON(w, http.StatusAccepted, map[string]any{"id": s.objects[i]["id"], "state": "running", "started_by": c.Subject})
	})
}

// withObject finds the object that the path names among those of the call's tenant.
func (a *api) withObject(r Resource, do func(w http.ResponseWriter, c call, s *shelf, i int)) func(http.ResponseWriter, call) {
	return func(w http.ResponseWriter, c call) {
		s := a.shelves.shelf(c.Tenant, r.Name)
		s.mu.Lock()
		defer s.mu.Unlock()
		i := slices.IndexFunc(s.objects, func(o object) bool { return o["id"] == c.PathValue("id") })
		if i < 0 {
			notFound(w, c.Request)
			return
		}
		do(w, c, s, i)
	}
}
