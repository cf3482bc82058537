/** Drawing again what has grown, once a frame however often it grows. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

export function useRedraw(): () => void {
  const [, draw] = useState(0);
  const frame = useRef(0);
  useEffect(() => () => cancelAnimationFrame(frame.current), []);
  return useCallback(() => {
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => draw((count) => count + 1));
  }, []);
}
