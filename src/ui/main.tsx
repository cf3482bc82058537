/** The web page. Everything it shows and does goes through the platform's public API. */
import { render } from 'preact';
import { App } from './app.js';
import { followLinks } from './router.js';
import { listenToKeys } from './shortcuts.js';
import './styles/fonts.css';
import './styles/base.css';
import './styles/frame.css';
import './styles/parts.css';
import './styles/views.css';
import './styles/log.css';

const root = document.getElementById('page');
if (root !== null) {
  followLinks();
  listenToKeys();
  render(<App />, root);
}
