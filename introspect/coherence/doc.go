// Package coherence decides whether what this process remembers of the database
// may still be trusted. It is what makes a remembered answer as good as a read.
//
// Three things are compared:
//
//   - The lease. A [Node] joins its store's feed and renews: it reads every change
//     since the last time, applies them, tells everybody that it has, and may then
//     trust its memory for [storage.LeaseFor] from before it began to read. A kill
//     that this node has not read of cannot have succeeded while the lease lasts:
//     whoever made it still waits.
//   - The cells, which number the changes: one cell for each thing that an answer
//     may hang on, or rather for all things of one hash. A change writes its number
//     into its cell.
//   - The mark, the number of the last change that was applied before an answer was
//     read from the database. An answer is current if no cell that it hangs on has a
//     higher number. So one store kills every answer that hangs on a tenant, and an
//     answer that was read before a change, and arrives after it, is never current.
//
// Two things that share a cell cost a needless read now and then, and no answer.
// There is nothing to clean up: cells are as many as they are from the start.
//
// The package owns the order of these steps and the node's clock. What is
// remembered is its users' (package introspect), how changes travel is the
// store's ([storage.Feed]).
package coherence
