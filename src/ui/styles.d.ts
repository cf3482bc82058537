/** A style sheet is imported for what it does; Vite makes a file of it. */
declare module '*.css';
