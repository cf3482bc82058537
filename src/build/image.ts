/** What this room needs of the images room: the image that a build ends with. */
export { assembleImage, type BuiltImage, LAYER_TYPE } from '../images/built-image.js';
export { inFamily } from '../images/media-types.js';
