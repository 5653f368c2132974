/**
 * The deepest allowed nesting of objects and arrays. The specification itself needs 8 levels and extensions may need more. 128 keeps every
 * recursion over a document far below the limit of QuickJS's stack (256 kB), so that both engines have the same limit.
 */
export const deepestNesting = 128;
